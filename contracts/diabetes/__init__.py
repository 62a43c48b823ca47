"""442 examinations of diabetes patients, from scikit-learn's bundled data."""
