"""1,797 written digits of eight by eight points, from scikit-learn's bundled data."""
