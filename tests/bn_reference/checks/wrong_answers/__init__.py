"""Wrong answers in the learners' own ways of writing, each with the mistakes that must be named."""
