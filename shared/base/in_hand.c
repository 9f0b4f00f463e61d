/* The fields are volatile: they are written for a reader that the compiler cannot see, the next process. */
#include "shared/base/in_hand.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/mem.h"

#define MAGIC    0x31444e4148ll /* "HAND1" */
#define SUSPECTS 16

struct item {
    int64_t key1, key2;
    int64_t deaths; /* 0: the place is free */
};

struct page {
    int64_t magic;
    int64_t is_taken;
    int64_t key1, key2;
    int64_t next; /* the place that the next new suspect gets */
    struct item suspects[SUSPECTS];
};

struct in_hand {
    volatile struct page *page;
    bool may_have_suspects; /* spares a look at them for each item */
};

static volatile struct item *find(volatile struct page *page, int64_t key1, int64_t key2)
{
    for (size_t i = 0; i < SUSPECTS; i++) {
        volatile struct item *item = &page->suspects[i];
        if (item->deaths > 0 && item->key1 == key1 && item->key2 == key2)
            return item;
    }
    return NULL;
}

static void count_death(volatile struct page *page)
{
    volatile struct item *item = find(page, page->key1, page->key2);
    page->is_taken = 0;
    if (item == NULL) {
        item = &page->suspects[(uint64_t)page->next++ % SUSPECTS];
        item->key1 = page->key1;
        item->key2 = page->key2;
        item->deaths = 0;
    }
    item->deaths++;
}

static bool has_suspects(const volatile struct page *page)
{
    for (size_t i = 0; i < SUSPECTS; i++)
        if (page->suspects[i].deaths > 0)
            return true;
    return false;
}

static void clear(volatile struct page *page)
{
    for (size_t i = 0; i < SUSPECTS; i++)
        page->suspects[i].deaths = 0;
    page->next = 0;
    page->is_taken = 0;
    page->magic = MAGIC;
}

static void *map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    void *memory = MAP_FAILED;
    if (fd < 0)
        return MAP_FAILED;
    if (posix_fallocate(fd, 0, sizeof(struct page)) == 0) /* a full disk must not kill later */
        memory = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory;
}

struct in_hand *in_hand_open(const char *path)
{
    void *memory = map(path);
    if (memory == MAP_FAILED)
        return NULL;
    struct in_hand *hand = mem_zalloc(sizeof *hand);
    hand->page = memory;
    if (hand->page->magic != MAGIC)
        clear(hand->page);
    if (hand->page->is_taken)
        count_death(hand->page);
    hand->may_have_suspects = has_suspects(hand->page);
    return hand;
}

void in_hand_close(struct in_hand **hand)
{
    if (*hand == NULL)
        return;
    (void)munmap((void *)(*hand)->page, sizeof(struct page));
    mem_free(*hand);
    *hand = NULL;
}

void in_hand_take(struct in_hand *hand, int64_t key1, int64_t key2)
{
    if (hand == NULL)
        return;
    hand->page->key1 = key1;
    hand->page->key2 = key2;
    hand->page->is_taken = 1;
}

void in_hand_put_down(struct in_hand *hand)
{
    if (hand == NULL)
        return;
    hand->page->is_taken = 0;
    in_hand_forgive(hand, hand->page->key1, hand->page->key2);
}

int64_t in_hand_deaths(const struct in_hand *hand, int64_t key1, int64_t key2)
{
    if (hand == NULL || !hand->may_have_suspects)
        return 0;
    const volatile struct item *item = find(hand->page, key1, key2);
    return item != NULL ? item->deaths : 0;
}

void in_hand_forgive(struct in_hand *hand, int64_t key1, int64_t key2)
{
    if (hand == NULL || !hand->may_have_suspects)
        return;
    volatile struct item *item = find(hand->page, key1, key2);
    if (item == NULL)
        return;
    item->deaths = 0;
    hand->may_have_suspects = has_suspects(hand->page);
}
