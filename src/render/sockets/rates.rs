//! Rates as they stand in a cell.

use super::Sheet;
use crate::host::SocketAt;
use crate::render::column;
use crate::sockets::change::Rate;

/// Appends a rate of a socket: short for people, whole (`all`) where nothing is shortened.
pub fn put(out: &mut String, sheet: &Sheet<'_>, at: SocketAt, all: bool, rate: Rate) {
    let Some(delta) = sheet.delta else { return };
    let count = delta.change(at).of(rate);
    let per_second = count.and_then(|count| delta.per_second(count));
    column::put(out, per_second.map(|rate| text(rate, all)));
}

/// A rate, short or whole.
pub fn text(rate: f64, all: bool) -> String {
    if all {
        format!("{rate:.0}")
    } else {
        short(rate)
    }
}

/// `0`, `0.5`, `17`, `1.4k`, `20M`: three places at most, decimal.
fn short(rate: f64) -> String {
    let mut rate = rate;
    for unit in ["", "k", "M", "G"] {
        if rate < 999.5 {
            let is_whole = unit.is_empty() && rate.fract() == 0.0;
            let whole = is_whole || !(0.05..9.95).contains(&rate);
            let places = usize::from(!whole);
            return format!("{rate:.places$}{unit}");
        }
        rate /= 1000.0;
    }
    format!("{rate:.0}T")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_rate_has_three_places_at_most() {
        for (rate, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.01, "0"),
            (5.0, "5"),
            (17.4, "17"),
            (999.4, "999"),
            (1_400.0, "1.4k"),
            (20_300_000.0, "20M"),
            (7.26e9, "7.3G"),
            (3e12, "3T"),
        ] {
            assert_eq!(short(rate), text);
        }
    }
}
