// daemon/http/page.c -- /: the page and its parts, as they were when akssld was built.

#include <string.h>

#include "daemon/http/route.h"
#include "proto/base/error.h"

#define ASSET(name)                                                                                \
    extern const unsigned char ak_page_##name[];                                                   \
    extern const unsigned long ak_page_##name##_size
ASSET(index_html);
ASSET(akssl_css);
ASSET(akssl_js);
ASSET(chart_js);
ASSET(dygraph_min_css);
ASSET(dygraph_min_js);
ASSET(pictures_js);
ASSET(icon_svg);

static const struct {
    const char *name, *type;
    const unsigned char *bytes;
    const unsigned long *size;
} assets[] = {
#define ROW(path, type, name)                                                                      \
    {                                                                                              \
        path, type, ak_page_##name, &ak_page_##name##_size                                         \
    }
    ROW("", "text/html; charset=utf-8", index_html),
    ROW("akssl.css", "text/css; charset=utf-8", akssl_css),
    ROW("akssl.js", "text/javascript; charset=utf-8", akssl_js),
    ROW("chart.js", "text/javascript; charset=utf-8", chart_js),
    ROW("dygraph.min.css", "text/css; charset=utf-8", dygraph_min_css),
    ROW("dygraph.min.js", "text/javascript; charset=utf-8", dygraph_min_js),
    ROW("pictures.js", "text/javascript; charset=utf-8", pictures_js),
    ROW("icon.svg", "image/svg+xml", icon_svg),
#undef ROW
};

static akssl_status look(ak_ask *ask)
{
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++) {
        if (strcmp(assets[i].name, ask->rest) != 0)
            continue;
        ask->type = assets[i].type;
        ask->fixed = assets[i].bytes;
        ask->fixed_size = *assets[i].size;
        return AKSSL_OK;
    }
    return ak_fail(AKSSL_ERR_NOT_FOUND, "nothing is served at '/%.64s'", ask->rest);
}

const ak_route ak_route_page = {
    .path = "/*",
    .type = "text/html; charset=utf-8",
    .access = AK_ACCESS_READ,
    .look = look,
};
