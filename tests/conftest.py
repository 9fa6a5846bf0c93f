"""Settings of hypothesis: the same examples in every run, and no clock."""

import hypothesis

hypothesis.settings.register_profile(
    "reproducible", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("reproducible")
