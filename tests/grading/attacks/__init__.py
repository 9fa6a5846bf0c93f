"""Submissions that want points which they have not earned, or want to harm: each a function that writes one.

The docstring of each says what it tries. `submission.py` says how they are written, and what each
deserves; `test_attacks.py` grades all of them in one run, with honest neighbours, and looks at what they got.
"""
