/* Allocation and ownership.
 *
 * Allocation never fails: out of memory aborts, since every size that comes from outside is capped
 * before it reaches an allocation. Owning locals carry a cleanup attribute and are initialised at
 * their declaration; ownership leaves them only through TAKE_PTR and TAKE_FD. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _warn_unused_ __attribute__((warn_unused_result))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
/* Grows or shrinks `ptr` to count * size bytes; aborts on overflow of the product. */
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
char *xasprintf(const char *fmt, ...) _printf_(1, 2);

/* Reports the failure on stderr and aborts. */
void alloc_abort(void) _noreturn_;

/* Cleanup handlers, for use as _cleanup_(free_ptr) char *s = NULL; */
void free_ptr(void *ptr_to_ptr);
void close_fd(const int *fd);

#define autofree _cleanup_(free_ptr)
#define autoclose _cleanup_(close_fd)

#define TAKE_PTR(p)                                                                                          \
	({                                                                                                   \
		__typeof__(p) take_ = (p);                                                                   \
		(p) = NULL;                                                                                  \
		take_;                                                                                       \
	})
#define TAKE_FD(fd)                                                                                          \
	({                                                                                                   \
		int take_ = (fd);                                                                            \
		(fd) = -1;                                                                                   \
		take_;                                                                                       \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Makes room for one more element in the array `a` of `n` used and `cap` allocated elements. */
#define ARRAY_GROW(a, n, cap)                                                                                \
	do {                                                                                                 \
		if ((n) >= (cap)) {                                                                          \
			(cap) = (cap) ? (cap)*2 : 8;                                                         \
			(a) = xreallocarray((a), (cap), sizeof(*(a)));                                       \
		}                                                                                            \
	} while (0)

#endif
