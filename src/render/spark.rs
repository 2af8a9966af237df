//! Numbers as a line of bars, one character each.

/// The bars: eight heights of a block.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each number, the highest of full height; a blank for 0.
pub fn line(numbers: &[u64]) -> String {
    let most = numbers.iter().max().copied().unwrap_or(0).max(1);
    let bar = |&number: &u64| match number {
        0 => ' ',
        number => {
            let place = u128::from(number) * (BARS.len() as u128 - 1) / u128::from(most);
            BARS[usize::try_from(place).unwrap_or(0).min(BARS.len() - 1)]
        }
    };
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_with_numbers_and_only_zero_is_blank() {
        assert_eq!(line(&[0, 1, 50, 100]), " ▁▄█");
        assert_eq!(line(&[2, 3]), "▅█");
        assert_eq!(line(&[0, 0]), "  ");
        assert_eq!(line(&[u64::MAX, 1]), "█▁");
        assert_eq!(line(&[]), "");
    }
}
