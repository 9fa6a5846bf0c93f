"""Right submissions that are written or saved in ways which a grader could hold against them."""
