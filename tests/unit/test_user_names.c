/* What a username and a password may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/user/user_names.h"

static const struct {
    const char *given;
    const char *kept; /* NULL: refused */
} usernames[] = {
    {"ann", "ann"},
    {"Ann.B_c-9", "ann.b_c-9"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "abcdefghijklmnopqrstuvwxyz012345"},
    {"abcdefghijklmnopqrstuvwxyz0123456", NULL},
    {"ann b", NULL},
    {"ann@b", NULL},
    {"'; drop table users.account; --", NULL},
    {"\xc3\xa4nn", NULL},
    {"\xe2\x84\xaa"
     "elvin",
     NULL}, /* the Kelvin sign, whose lower case is k */
    {"ann\r\n", NULL},
    {"ann%", NULL},
};

static void usernames_are_kept_in_lower_case_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof usernames / sizeof usernames[0]; i++) {
        char kept[USERNAME_SIZE];
        bool ok = username_normalise(text_of(usernames[i].given), kept);
        assert_int_equal(ok, usernames[i].kept != NULL);
        assert_string_equal(kept, ok ? usernames[i].kept : "");
    }
}

static void a_username_with_a_zero_byte_is_refused(void **state)
{
    (void)state;
    char kept[USERNAME_SIZE];
    assert_false(username_normalise((struct text){"ann\0b", 5}, kept));
}

static const char *const refused[] = {
    "password", "PassWord", "12345678",  "1234567890", "01234567", "87654321",     "aaaaaaaa",
    "abcdefgh", "hgfedcba", "qwerty123", "iloveyou",   "P@ssw0rd", "Grace.Hopper",
};

static void common_and_trivial_passwords_and_the_username_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *why = password_refusal(text_of(refused[i]), TEXT_LITERAL("grace.hopper"));
        if (why == NULL)
            print_error("accepted: %s\n", refused[i]);
        assert_non_null(why);
    }
}

static const char *const accepted[] = {
    "correct horse battery staple",
    "password-of-ann",
    "aaaaaaab",
    "x7!kQ2#v",
    "13579135",
    "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c",
};

static void other_passwords_are_accepted_whatever_they_are_made_of(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
        assert_null(password_refusal(text_of(accepted[i]), TEXT_LITERAL("grace.hopper")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usernames_are_kept_in_lower_case_or_refused),
        cmocka_unit_test(a_username_with_a_zero_byte_is_refused),
        cmocka_unit_test(common_and_trivial_passwords_and_the_username_are_refused),
        cmocka_unit_test(other_passwords_are_accepted_whatever_they_are_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
