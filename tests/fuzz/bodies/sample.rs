//! What must hold of a sample, whatever the file is.

use sockdoc::diagnose::{Case, diagnose};
use sockdoc::host::{Index, Sample, SocketAt};

/// The input: the file.
pub(crate) fn sample(data: &[u8]) {
    let Ok(sample) = Sample::read(data) else {
        return;
    };
    let written = |sample: &Sample| {
        let mut out = Vec::new();
        sample.write(&mut out).expect("memory");
        out
    };
    let once = written(&sample);
    let again = Sample::read(&once).expect("what was written is a sample");
    assert_eq!(written(&again), once);
    // It is then diagnosed like one that was taken here.
    let index = Index::new(&sample);
    let case = Case::new(&index);
    let findings = diagnose(&case);
    let places: Vec<SocketAt> = sample.places().collect();
    for at in &places {
        assert!(
            index
                .other_end(*at)
                .is_none_or(|other| (other.0 as usize) < places.len())
        );
    }
    for each in [false, true] {
        assert!(findings.blocks(&case, &places, each).len() <= findings.all().len());
    }
}
