#include "app/way.h"

#include <stdlib.h>

int way_open(struct way *way, struct inbox *inbox, struct crew *crew)
{
    *way = (struct way){.count = crew->count,
                        .bridges = calloc(crew->count, sizeof *way->bridges),
                        .ports = calloc(crew->count, sizeof *way->ports)};
    if (way->bridges == NULL || way->ports == NULL) {
        free(way->bridges);
        free(way->ports);
        return ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        bridge_open(&way->bridges[i], inbox, station->inbox, &station->engine.port);
        way->ports[i] = &way->bridges[i].port;
    }
    switchboard_init(&way->board, way->ports, way->count);
    way->port = way->count == 1 ? way->ports[0] : &way->board.port;
    return 0;
}

void way_close(struct way *way)
{
    switchboard_close(&way->board);
    for (uint32_t i = 0; i < way->count; i++) bridge_close(&way->bridges[i]);
    free(way->bridges);
    free(way->ports);
}

uint32_t way_waiting(const struct way *way)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < way->count; i++) waiting += way->bridges[i].waiting.count;
    return waiting;
}
