// tests/unit/daemon/http/http.c -- tests daemon/http/http.c: which addresses are loopback.

#include "daemon/http/http.h"

#include "tests/check.h"

START_TEST(loopback)
{
    static const char *const is[] = { "127.0.0.1:80", "127.0.0.1", "127.9.8.7:1", "[::1]:80",
                                      "[::1]",        "localhost", "LocalHost:0" };
    static const char *const is_not[] = { "",         "0.0.0.0:80",        "127.0.0.1.example:80",
                                          "[::]:80",  "localhost.example", "[::1].example",
                                          "10.0.0.1", "example:127",       "127.example:80" };

    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        ck_assert_msg(ak_http_is_loopback(is[i]), "%s", is[i]);
    for (size_t i = 0; i < sizeof is_not / sizeof *is_not; i++)
        ck_assert_msg(!ak_http_is_loopback(is_not[i]), "%s", is_not[i]);
}
END_TEST

AK_TEST_MAIN(AK_CASE(loopback))
