"""Speed of the generated project beside what people would use instead."""
