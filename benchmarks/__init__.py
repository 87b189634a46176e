"""CPU, memory and waiting time of the generated project beside what people would use instead."""
