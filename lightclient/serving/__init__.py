"""TensorFlow Serving's protocol: where a model is served, what it takes, what its answers mean."""
