/* For cppcheck, which reads no system headers: macros of libraries without which it cannot parse.
 */
const char *json_first_key(const void *object);
json_t *json_first_value(const void *object);
#define json_object_foreach(object, key, value)                                                    \
    for (key = json_first_key(object), value = json_first_value(object); key != 0;)
