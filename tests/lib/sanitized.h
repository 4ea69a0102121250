/* SANITIZED: built with the address or thread sanitizer, whose allocator needs address space of its
 * own and does not come back from running out of it. */
#ifndef TESTS_LIB_SANITIZED_H
#define TESTS_LIB_SANITIZED_H

#if defined(__has_feature)
#define SANITIZED_HAS(x) __has_feature(x)
#else
#define SANITIZED_HAS(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    SANITIZED_HAS(address_sanitizer) || SANITIZED_HAS(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
