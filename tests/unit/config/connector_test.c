/* What the kinds of Kafka and Kinesis hold, field by field. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct settings settings;
static struct problems problems;

static void load(const char *name)
{
    char path[2048];
    snprintf(path, sizeof path, "%s%s.yaml", cases_folder(), name);
    static char *kept[1];
    kept[0] = path;
    problems_init(&problems);
    int error = settings_load(&settings, (const char *const *)kept, 1, NULL, &problems);
    cr_assert_eq(error, 0, "%s: %s", name, problems.items[0].message);
}

static bool is(struct span text, const char *expected)
{
    return span_equal(text, span_text(expected));
}

Test(connectors, kafka_topics_and_offsets)
{
    load("good-routable");
    const struct ingress_settings *ingress = &settings.ingresses[0];
    cr_assert_eq(ingress->topic_count, 2);
    cr_expect(is(ingress->topics[0].name, "topic-1"));
    cr_expect(is(ingress->topics[0].value_type, "com.googleapis/com.mycomp.foo.MessageA"));
    cr_assert_eq(ingress->topics[0].target_count, 2);
    cr_expect(is(ingress->topics[0].targets[1], "com.mycomp.foo/function-2"));
    cr_expect_eq(ingress->topics[1].place.line, 15);
    cr_expect(ingress->kafka.reset_earliest);
    cr_expect(is(ingress->kafka.group.value, "my-group-id"));
    const struct startup_settings *startup = &ingress->kafka.startup;
    cr_expect_eq(startup->kind, STARTUP_SPECIFIC_OFFSETS);
    cr_assert_eq(startup->offset_count, 2);
    cr_expect(is(startup->offsets[0].topic, "topic-1"));
    cr_expect_eq(startup->offsets[0].offset, 1293);
    cr_expect_eq(startup->offsets[1].partition, 17);
    cr_expect_eq(ingress->property_count, 2);
    cr_expect(is(ingress->properties[1].value.value, "hunter2"));
    cr_expect(is(ingress->properties[1].value.shown, "***"));
    settings_close(&settings);
}

Test(connectors, kafka_defaults_are_those_of_the_code)
{
    load("good-overview");
    cr_expect_eq(settings.ingresses[0].kafka.startup.kind, STARTUP_LATEST);
    cr_expect_not(settings.ingresses[0].kafka.reset_earliest);
    cr_expect_eq(settings.egresses[0].kafka.delivery, DELIVERY_EXACTLY_ONCE);
    cr_expect_eq(settings.egresses[0].kafka.transaction_timeout_ms, 900000);
    settings_close(&settings);
    load("good-legacy");
    cr_expect_eq(settings.egresses[0].kafka.delivery, DELIVERY_NONE);
    cr_expect(is(settings.egresses[0].id, "demo/greets"));
    settings_close(&settings);
}

Test(connectors, kafka_from_properties_at_a_date)
{
    load("good-properties-only");
    const struct ingress_settings *ingress = &settings.ingresses[0];
    cr_expect(is(ingress->kafka.address.value, "kafka:9092"));
    cr_expect(is(ingress->kafka.group.value, "g"));
    cr_expect_eq(ingress->kafka.startup.kind, STARTUP_DATE);
    cr_expect_eq(ingress->kafka.startup.date_ms, 1580523300000);
    settings_close(&settings);
}

Test(connectors, older_timeout_and_earliest)
{
    load("good-startup-earliest");
    cr_expect_eq(settings.ingresses[0].kafka.startup.kind, STARTUP_EARLIEST);
    cr_expect_eq(settings.egresses[0].kafka.transaction_timeout_ms, 900000);
    settings_close(&settings);
}

Test(connectors, kinesis)
{
    load("good-kinesis");
    const struct egress_settings *egress = &settings.egresses[0];
    cr_expect_eq(egress->outstanding_max, 9999);
    cr_expect_eq(egress->aws.region, REGION_CUSTOM_ENDPOINT);
    cr_expect(is(egress->aws.endpoint, "https://localhost:4567"));
    cr_expect(is(egress->aws.region_id, "us-west-1"));
    cr_expect_eq(egress->aws.credentials, CREDENTIALS_PROFILE);
    cr_expect(is(egress->aws.profile_name, "john-doe"));
    cr_expect_str_eq(egress->aws.profile_path, "/path/to/profile/config");
    const struct ingress_settings *ingress = &settings.ingresses[0];
    cr_expect_eq(ingress->startup.kind, STARTUP_EARLIEST);
    cr_expect_eq(ingress->aws.region, REGION_SPECIFIC);
    cr_expect_eq(ingress->aws.credentials, CREDENTIALS_BASIC);
    cr_expect(is(ingress->aws.secret_access_key.value, "my_secret_access_key"));
    cr_expect(is(ingress->aws.secret_access_key.shown, "***"));
    cr_assert_eq(ingress->topic_count, 1);
    cr_expect(is(ingress->topics[0].targets[0], "com.mycomp.foo/function-1"));
    settings_close(&settings);
}

static int parse_date(const char *date, int64_t *ms)
{
    char text[1024];
    snprintf(text, sizeof text,
             "%skind: io.statefun.kinesis.v1/ingress\n"
             "spec:\n  id: a/in\n  startupPosition: {type: date, date: '%s'}\n"
             "  streams: [{stream: s, valueType: a/v, targets: [a/f]}]\n",
             endpoint_document("a/*"), date);
    int error = parse_text(&settings, text, &problems);
    if (error) return error;
    *ms = settings.ingresses[0].startup.date_ms;
    settings_close(&settings);
    return 0;
}

Test(connectors, dates)
{
    int64_t ms = -1;
    cr_expect_eq(parse_date("1970-01-01 00:00:00.000 +0000", &ms), 0);
    cr_expect_eq(ms, 0);
    cr_expect_eq(parse_date("2024-02-29 23:59:59.999 -0130", &ms), 0);
    cr_expect_eq(ms, 1709256599999);
    static const char *const bad[] = {"",
                                      "2024-02-29",
                                      "2024-02-29 23:59:59.999",
                                      "2024-13-29 23:59:59.999 +0000",
                                      "2024-02-29 23:59:59.999 +0000 more",
                                      "2024-02-29 25:59:59.999 +0000",
                                      "2024-02-29 23:59:59.999 UTC"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(parse_date(bad[i], &ms), ERROR_INVALID, "%s", bad[i]);
}
