// SPDX-License-Identifier: Apache-2.0
/*
 * The domain of each TEE config against golden files, for each generation of libvirt and QEMU that
 * a Debian release has: what they can launch is golden/tee/NAME-libvirt-VERSION.xml, what they
 * cannot is the error in NAME-libvirt-VERSION.error. COCO_UPDATE_GOLDEN=1 rewrites them; tests/run
 * --suite tee feeds them to libvirt.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-probe.h"
#include "vmm/tee/tee.h"

#define GUEST "[guest]\nkernel=/g/vmlinuz\n"
#define INITRD GUEST "initrd=/g/initrd.img\n"

/* %s: the directory of the blobs. */
static const struct {
    const char *name;
    const char *text;
    bool full; /* with vsock, initdata and host data from it */
} configs[] = {
    { "none", "[vm]\ntee=none\n" INITRD, false },
    { "none-sgx", "[vm]\ntee=none\n" INITRD "[sgx]\nepc_mib=64,32\n", false },
    { "none-memory",
      "[vm]\ntee=none\n" INITRD "[memory]\nbacking=memfd\nhugepages=2M\nlocked=yes\nprealloc=yes\n",
      false },
    { "sev", "[vm]\ntee=sev\n" INITRD, false },
    { "sev-full",
      "[vm]\ntee=sev\ncpu=EPYC-Milan\n" INITRD
      "[sev]\npolicy=0x1\nkernel_hashes=no\ndh_cert=%s/cert\nsession=%s/session\n"
      "[debug]\ninsecure_kernel=true\n",
      true },
    { "sev-es", "[vm]\ntee=sev-es\nvcpus=2\n" INITRD, false },
    { "snp", "[vm]\ntee=snp\n" INITRD, false },
    { "snp-full",
      "[vm]\ntee=snp\ncpu=EPYC-Genoa\nvcpus=4\nmemory_mib=2048\n" INITRD "cmdline=a=\"b\"\n"
      "[memory]\nhugepages=1G\n"
      "[snp]\nabi_major=1\nabi_minor=51\nsmt=no\nsingle_socket=yes\nid_block=%s/id-block\n"
      "id_auth=%s/id-auth\nauthor_key=yes\nvcek=no\n"
      "guest_visible_workarounds=000102030405060708090a0b0c0d0e0f\n",
      true },
    { "snp-host-data",
      "[vm]\ntee=snp\n" INITRD "[snp]\nhost_data="
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
      false },
    { "tdx", "[vm]\ntee=tdx\n" INITRD, false },
    { "tdx-full",
      "[vm]\ntee=tdx\nvcpus=2\n" INITRD "[tdx]\npolicy=0x10000001\n"
      "mrowner=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
      "28292a2b2c2d2e2f\n"
      "mrownerconfig=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n"
      "quote_generation_service=\n[debug]\ninsecure_policy=true\n",
      true },
    { "tdx-sgx", "[vm]\ntee=tdx\n" INITRD "[sgx]\nepc_mib=64\n", false },
    { "se", "[vm]\ntee=se\n" GUEST, false },
    { "se-full", "[vm]\ntee=se\nvcpus=2\n" GUEST, true },
    { "cca", "[vm]\ntee=cca\n" INITRD, false },
};

static const struct {
    const char *name; /* of libvirt */
    unsigned int libvirt;
    unsigned int qemu;
} generations[] = {
    { "9.0.0", COCO_VERSION_OF(9, 0, 0), COCO_VERSION_OF(7, 2, 22) },    /* Debian 12 */
    { "11.3.0", COCO_VERSION_OF(11, 3, 0), COCO_VERSION_OF(10, 0, 13) }, /* Debian 13 */
    { "12.8.0", COCO_VERSION_OF(12, 8, 0), COCO_VERSION_OF(11, 1, 3) },  /* Debian sid */
};

static char *
make_xml(const char *template, bool full, const char *dir)
{
    g_auto(GStrv) parts = g_strsplit(template, "%s", -1);
    g_autofree char *text = g_strjoinv(dir, parts);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_parse("golden", text, strlen(text), NULL, &error);
    g_autoptr(CocoBootFiles) boot = NULL;
    g_autoptr(GBytes) host_data = NULL;
    g_auto(CocoVmSpec) spec = { 0 };
    CocoDomainFacts facts = { .spec = &spec, .run_dir = "/run/coco/0123456789abcdef0123" };

    cr_assert_not_null(config, "%s", error != NULL ? error->message : "");
    coco_domain_spec_init(&spec, config, COCO_ACCEL_KVM, COCO_TRANSPORT_CHANNEL);
    boot = coco_boot_files_new(config, &error);
    cr_assert_not_null(boot, "%s", error != NULL ? error->message : "");
    facts.boot = boot;
    if (full) {
        g_autofree guint8 *digest = g_malloc(64);

        memset(digest, 0xab, 64);
        host_data = g_bytes_new(digest, coco_tee_of(config)->host_data_size);
        facts.host_data = host_data;
        facts.initdata_disk = "/run/coco/0123456789abcdef0123/vm/initdata.img";
        spec.transport = COCO_TRANSPORT_VSOCK;
    }
    return coco_domain_xml(&facts);
}

static void
compare(const char *name, const char *generation, const char *ending, const char *text)
{
    g_autofree char *file = g_strdup_printf("%s-libvirt-%s.%s", name, generation, ending);
    g_autofree char *path = g_build_filename(GOLDEN_DIR, "tee", file, NULL);
    g_autofree char *golden = NULL;

    if (g_getenv("COCO_UPDATE_GOLDEN") != NULL)
        cr_assert(g_file_set_contents(path, text, -1, NULL));
    cr_assert(g_file_get_contents(path, &golden, NULL, NULL), "no golden file %s", path);
    cr_assert_str_eq(text, golden, "%s", path);
}

static void
write_blobs(const char *dir)
{
    g_autofree char *block = g_strnfill(96, 'b');
    g_autofree char *auth = g_strnfill(4096, 'a');
    g_autofree char *encoded = g_base64_encode((const guchar *) auth, 4096);

    g_free(scratch_dir_write(dir, "cert", "\x01\x02\xff", 3));
    g_free(scratch_dir_write(dir, "session", "c2Vzc2lv\nbg==\n", 14));
    g_free(scratch_dir_write(dir, "id-block", block, 96));
    g_free(scratch_dir_write(dir, "id-auth", encoded, strlen(encoded)));
}

Test(domain_xml_tee, each_config_on_each_generation)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();

    write_blobs(dir);
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *xml = make_xml(configs[i].text, configs[i].full, dir);
        g_auto(GStrv) lines = g_strsplit(configs[i].text, "\n", 3);
        g_autoptr(CocoVmConfig) config = NULL;
        g_autofree char *head = g_strdup_printf("[vm]\n%s\n", lines[1]);

        config = coco_tee_config_parse("golden", head, strlen(head), NULL, NULL);
        for (size_t g = 0; g < G_N_ELEMENTS(generations); g++) {
            g_autoptr(GPtrArray) findings = coco_findings_new();
            char nothing[] = "";
            char nowhere[] = "/proc/nonexistent";
            CocoTeeHost host = { .root = nowhere,
                                 .qemu_objects = nothing,
                                 .libvirt = generations[g].libvirt,
                                 .qemu = generations[g].qemu };
            g_autoptr(GError) error = NULL;

            coco_tee_probe_versions(coco_tee_of(config), &host, findings);
            if (coco_findings_check(coco_tee_of(config), findings, &error)) {
                compare(configs[i].name, generations[g].name, "xml", xml);
            } else {
                g_autofree char *line = g_strconcat(error->message, "\n", NULL);

                compare(configs[i].name, generations[g].name, "error", line);
            }
        }
    }
}
