"""The helper package of d2l-lite: data, training, plotting and explorables that the chapters share."""
