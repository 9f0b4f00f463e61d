#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/bench/load/bench.h"

static bool take_line(struct bench_plan *plan, const char *line)
{
    char word[256];
    size_t device;
    if (sscanf(line, "device %255s", word) == 1) {
        plan->tokens = mem_resize(plan->tokens, (plan->token_count + 1) * sizeof *plan->tokens);
        plan->tokens[plan->token_count++] = mem_string(word);
        return true;
    }
    if (sscanf(line, "sender %zu %255s", &device, word) != 2 || device >= plan->token_count)
        return false;
    plan->senders = mem_resize(plan->senders, (plan->sender_count + 1) * sizeof *plan->senders);
    plan->senders[plan->sender_count++] =
        (struct bench_sender){.device = device, .chat = mem_string(word)};
    return true;
}

bool bench_plan_read(const char *path, struct bench_plan *plan_out)
{
    char line[512];
    int number = 0;
    bool is_good = true;
    FILE *file = fopen(path, "re");
    *plan_out = (struct bench_plan){0};
    if (file == NULL) {
        fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (is_good && fgets(line, sizeof line, file) != NULL) {
        number++;
        is_good = take_line(plan_out, line);
    }
    fclose(file);
    if (!is_good)
        fprintf(stderr, "bench: %s:%d: is neither `device TOKEN` nor `sender DEVICE CHAT`\n", path,
                number);
    return is_good;
}

void bench_plan_deinit(struct bench_plan *plan)
{
    for (size_t i = 0; i < plan->token_count; i++)
        mem_free(plan->tokens[i]);
    for (size_t i = 0; i < plan->sender_count; i++)
        mem_free(plan->senders[i].chat);
    mem_free(plan->tokens);
    mem_free(plan->senders);
}
