"""What each route does, without HTTP; ``serve.app`` lists them."""
