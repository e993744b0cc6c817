#pragma once

/// How often malloc, calloc, realloc and their aligned forms were called by this thread.
unsigned long tarn_allocation_count(void);
