// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's directories; see the header for the map. Not for checking what a request names: that
 * is paths.c.
 */
#include "guest/system/layout.h"

#include <errno.h>
#include <sys/stat.h>

#include "guest-protocol/proto/ttrpc-error.h"

struct _CocoLayout {
    char *base;
    char *shared;
    char *sandbox;
    char *state;
    char *bundles;
    char *namespaces;
};

CocoLayout *
coco_layout_new(const char *root)
{
    CocoLayout *layout = g_new0(CocoLayout, 1);
    const char *prefix = root != NULL ? root : "";

    layout->base = g_strconcat(prefix, "/run/kata-containers", NULL);
    layout->shared = g_strconcat(layout->base, "/shared/containers", NULL);
    layout->sandbox = g_strconcat(layout->base, "/sandbox", NULL);
    layout->state = g_strconcat(prefix, "/run/coco-agent", NULL);
    layout->bundles = g_strconcat(layout->state, "/bundles", NULL);
    layout->namespaces = g_strconcat(layout->state, "/namespaces", NULL);
    return layout;
}

void
coco_layout_free(CocoLayout *layout)
{
    if (layout == NULL)
        return;
    g_free(layout->base);
    g_free(layout->shared);
    g_free(layout->sandbox);
    g_free(layout->state);
    g_free(layout->bundles);
    g_free(layout->namespaces);
    g_free(layout);
}

bool
coco_layout_make(const CocoLayout *layout, GError **error)
{
    const char *const directories[] = { layout->shared, layout->sandbox, layout->bundles,
                                        layout->namespaces };

    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        if (g_mkdir_with_parents(directories[i], 0755) < 0)
            return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "make directory '%s': %s",
                                     directories[i], g_strerror(errno));
    }
    return true;
}

const char *
coco_layout_get_base(const CocoLayout *layout)
{
    return layout->base;
}

const char *
coco_layout_get_shared(const CocoLayout *layout)
{
    return layout->shared;
}

const char *
coco_layout_get_sandbox(const CocoLayout *layout)
{
    return layout->sandbox;
}

const char *
coco_layout_get_state(const CocoLayout *layout)
{
    return layout->state;
}

const char *
coco_layout_get_bundles(const CocoLayout *layout)
{
    return layout->bundles;
}

const char *
coco_layout_get_namespaces(const CocoLayout *layout)
{
    return layout->namespaces;
}

const char *
coco_layout_get_cgroups(const CocoLayout *layout)
{
    return "/sys/fs/cgroup";
}
