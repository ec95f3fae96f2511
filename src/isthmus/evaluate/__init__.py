"""How good a force field is: errors on labelled data, ensembles, calibration, domain."""
