"""The handwritten digits of scikit-learn, as scans with verdicts."""
