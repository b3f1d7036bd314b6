//! Which share of a weighted split takes a request. One throw of the dice a request; nothing is remembered.

use ripstop_model::route::WeightedCluster;

/// A split, ready to be thrown for.
#[derive(Clone, Debug)]
pub struct WeightedChoice {
    /// Running sums of the weights: share `i` is taken when the dice fall in `bounds[i - 1]..bounds[i]`.
    bounds: Vec<u64>,
}

impl WeightedChoice {
    /// Prepares a split. A share of weight zero is never taken, unless every weight is zero: then the first is.
    pub fn compile(shares: &[WeightedCluster]) -> WeightedChoice {
        let mut total = 0;
        let bounds = shares
            .iter()
            .map(|share| {
                total += u64::from(share.weight);
                total
            })
            .collect();
        WeightedChoice { bounds }
    }

    /// The position of the share that is taken, in the order given to [`WeightedChoice::compile`]; 0 when there are
    /// none. O(log n).
    pub fn pick(&self, rng: &mut fastrand::Rng) -> usize {
        self.pick_by(rng.u64(..))
    }

    /// The same for a number that was thrown before, or comes from elsewhere.
    pub fn pick_by(&self, number: u64) -> usize {
        match self.bounds.last() {
            None | Some(0) => 0,
            Some(&total) => {
                let thrown = number % total;
                self.bounds.partition_point(|&bound| bound <= thrown)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(weights: &[u32]) -> Vec<WeightedCluster> {
        weights.iter().map(|&weight| WeightedCluster::new("c", weight)).collect()
    }

    #[test]
    fn shares_get_what_they_weigh_and_zero_gets_nothing() {
        let mut rng = fastrand::Rng::with_seed(7);
        let choice = WeightedChoice::compile(&shares(&[0, 90, 0, 10, 0]));
        let mut taken = [0u32; 5];
        for _ in 0..100_000 {
            taken[choice.pick(&mut rng)] += 1;
        }
        assert_eq!((taken[0], taken[2], taken[4]), (0, 0, 0));
        // Four standard deviations of a binomial with n = 100,000, p = 0.1 are 380.
        assert!(taken[3].abs_diff(10_000) < 380, "{taken:?}");
    }

    #[test]
    fn degenerate_splits_take_the_first() {
        let mut rng = fastrand::Rng::with_seed(7);
        assert_eq!(WeightedChoice::compile(&[]).pick(&mut rng), 0);
        assert_eq!(WeightedChoice::compile(&shares(&[0, 0])).pick(&mut rng), 0);
        assert_eq!(WeightedChoice::compile(&shares(&[u32::MAX])).pick(&mut rng), 0);
    }
}
