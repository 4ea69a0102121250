/* Kinds io.statefun.kinesis.v1/ingress and /egress: read and checked in full, run by a later
 * version. */
#include "config/module.h"

static const char *const regions[] = {"default", "specific", "custom-endpoint", NULL};
static const char *const credentials[] = {"default", "basic", "profile", NULL};

_Static_assert(sizeof(enum region_kind) == sizeof(int), "FIELD_CHOICE writes an int");
_Static_assert(sizeof(enum credentials_kind) == sizeof(int), "FIELD_CHOICE writes an int");

static const struct field region_type = {.name = "type",
                                         .kind = FIELD_CHOICE,
                                         .choices = regions,
                                         .offset = offsetof(struct aws_settings, region)};
static const struct field region_fields[] = {
    {.name = "id",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct aws_settings, region_id),
     .required = true,
     .example = "id: eu-central-1"},
    {.name = "endpoint",
     .kind = FIELD_TEXT,
     .offset = offsetof(struct aws_settings, endpoint),
     .required = true,
     .example = "endpoint: https://localhost:4567"},
};

static const struct field credentials_type = {.name = "type",
                                              .kind = FIELD_CHOICE,
                                              .choices = credentials,
                                              .offset = offsetof(struct aws_settings, credentials)};
static const struct field basic_fields[] = {
    {.name = "accessKeyId",
     .kind = FIELD_SECRET,
     .required = true,
     .offset = offsetof(struct aws_settings, access_key_id)},
    {.name = "secretAccessKey",
     .kind = FIELD_SECRET,
     .required = true,
     .offset = offsetof(struct aws_settings, secret_access_key)},
};
static const struct field profile_fields[] = {
    {.name = "profileName",
     .kind = FIELD_TEXT,
     .required = true,
     .offset = offsetof(struct aws_settings, profile_name)},
    {.name = "profilePath",
     .kind = FIELD_PATH,
     .offset = offsetof(struct aws_settings, profile_path)},
};

static void read_region(struct reading *reading, const struct node *spec, struct aws_settings *aws)
{
    const struct node *map = field_map(reading, spec, "awsRegion");
    if (!map) return;
    fields_read(reading, &region_type, 1, map, map->place, "awsRegion", aws);
    size_t count = aws->region == REGION_DEFAULT ? 0 : aws->region == REGION_SPECIFIC ? 1 : 2;
    fields_read(reading, region_fields, count, map, map->place, "awsRegion of this type", aws);
}

static void read_credentials(struct reading *reading, const struct node *spec,
                             struct aws_settings *aws)
{
    const struct node *map = field_map(reading, spec, "awsCredentials");
    static const char what[] = "awsCredentials of this type";
    if (!map) return;
    fields_read(reading, &credentials_type, 1, map, map->place, "awsCredentials", aws);
    if (aws->credentials == CREDENTIALS_BASIC)
        fields_read(reading, basic_fields, FIELDS_COUNT(basic_fields), map, map->place, what, aws);
    if (aws->credentials == CREDENTIALS_PROFILE)
        fields_read(reading, profile_fields, FIELDS_COUNT(profile_fields), map, map->place, what,
                    aws);
}

static void read_aws(struct reading *reading, const struct node *spec, struct aws_settings *aws)
{
    read_region(reading, spec, aws);
    read_credentials(reading, spec, aws);
}

void kinesis_read_ingress(struct module *module, const struct document *document)
{
    struct reading *reading = &module->reading;
    const struct field id = {.name = "id",
                             .kind = FIELD_NAME,
                             .required = true,
                             .offset = offsetof(struct ingress_settings, id),
                             .example = "id: example/events"};
    struct ingress_settings *ingress = module_push_ingress(module, document->place);
    if (!ingress) return;
    ingress->place = document->place;
    ingress->kind = INGRESS_KINESIS;
    fields_read(reading, &id, 1, document->spec, document->place, "a Kinesis ingress", ingress);
    read_aws(reading, document->spec, &ingress->aws);
    startup_read(reading, document->spec, false, &ingress->startup);
    ingress->topics = connector_read_topics(reading, document, "streams", "stream",
                                            "a Kinesis stream", &ingress->topic_count);
    connector_read_properties(reading, document->spec, "clientConfigProperties",
                              &ingress->properties, &ingress->property_count);
}

void kinesis_read_egress(struct module *module, const struct document *document)
{
    struct reading *reading = &module->reading;
    const struct field fields[] = {
        {.name = "id",
         .kind = FIELD_NAME,
         .required = true,
         .offset = offsetof(struct egress_settings, id),
         .example = "id: example/events"},
        {.name = "maxOutstandingRecords",
         .kind = FIELD_COUNT,
         .min = 1,
         .max = INT32_MAX,
         .offset = offsetof(struct egress_settings, outstanding_max)},
    };
    struct egress_settings *egress = module_push_egress(module, document->place);
    if (!egress) return;
    egress->place = document->place;
    egress->kind = EGRESS_SETTINGS_KINESIS;
    egress->outstanding_max = 1000;
    fields_read(reading, fields, FIELDS_COUNT(fields), document->spec, document->place,
                "a Kinesis egress", egress);
    read_aws(reading, document->spec, &egress->aws);
    connector_read_properties(reading, document->spec, "clientConfigProperties",
                              &egress->properties, &egress->property_count);
}
