"""Changes of the code that no test can notice, since what it does stays the same, and why."""

# by module and change
EQUIVALENT = {
    (
        "nn/losses.py",
        "difference > threshold  ->  difference >= threshold",
    ): "they are one number where they are equal",
}
