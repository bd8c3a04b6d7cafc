// A library of the driver for tests. What it answers stands in the file `script` beside it, which is read again at each call: one
// key and value a line.
//
//   init CODE, init.hang MS, count N, fail CODE   of the whole driver
//   B.fail CODE, B.fail.FUNCTION CODE        what the board with number B answers
//   B.hang.FUNCTION MS                       how long it takes for that
//   B.field.ID VALUE, B.field.ID.type TYPE, B.field.ID.fail CODE
//   B.power, B.energy, B.temperature, …      what older functions give
//   B.compute, B.graphics PID:BYTES:GPU_INSTANCE:COMPUTE_INSTANCE,…
//   B.uses PID:MICROSECONDS:SM:MEMORY:ENCODER:DECODER,…
//   B.mig 0|1, B.partitions GPU_INSTANCE,…, B.GPU_INSTANCE.used BYTES
//   B.gpm 0|1, B.gpm.ID VALUE, B.GPU_INSTANCE.gpm.ID VALUE
//   B.xids NUMBER,…                          all since the start
//
// What is not there is answered with "not supported". With -DOLD it lacks what a driver of 2017 lacked.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 6, INSUFFICIENT_SIZE, TIMEOUT = 10, GPU_NOT_FOUND = 28 };
typedef int Return;
typedef void *Device;

// Finds the value of a key.
static int text(const char *key, char *value, size_t room) {
    Dl_info here;
    char path[4096];
    dladdr((void *)text, &here);
    snprintf(path, sizeof path, "%s", here.dli_fname);
    *strrchr(path, '/') = 0;
    strncat(path, "/script", sizeof path - strlen(path) - 1);
    FILE *script = fopen(path, "r");
    if (!script) return 0;
    char line[65536];
    size_t length = strlen(key);
    int found = 0;
    while (!found && fgets(line, sizeof line, script))
        if (!strncmp(line, key, length) && line[length] == ' ') {
            line[strcspn(line, "\n")] = 0;
            snprintf(value, room, "%s", line + length + 1);
            found = 1;
        }
    fclose(script);
    return found;
}

static int number(unsigned long long *value, const char *format, int board, const char *rest) {
    char key[128], found[64];
    snprintf(key, sizeof key, format, board, rest);
    if (!text(key, found, sizeof found)) return 0;
    *value = strtoull(found, 0, 10);
    return 1;
}

static unsigned long long or_else(unsigned long long value, const char *format, int board, const char *rest) {
    number(&value, format, board, rest);
    return value;
}

static int board_of(Device device) { return ((int)(intptr_t)device >> 8) - 1; }
static int instance_of(Device device) { return (int)((intptr_t)device & 255) - 1; }
static Device handle_of(int board, int instance) { return (Device)(intptr_t)((board + 1) << 8 | (instance + 1)); }

static void wait(unsigned long long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    if (ms) nanosleep(&time, 0);
}

// Waits as long as the script wants, and gives the error that it wants.
static Return enter(Device device, const char *function) {
    int board = board_of(device);
    wait(or_else(0, "%d.hang.%s", board, function));
    unsigned long long code;
    if (number(&code, "%d.fail.%s", board, function) || number(&code, "%d.fail%s", board, "")) return code;
    return or_else(SUCCESS, "fail", 0, "");
}
#define ENTER(device) do { Return code = enter(device, __func__); if (code) return code; } while (0)

static Return plain(Device device, const char *name, unsigned *value) {
    unsigned long long found;
    if (!number(&found, "%d.%s", board_of(device), name)) return NOT_SUPPORTED;
    *value = found;
    return SUCCESS;
}

Return nvmlInit_v2(void) {
    wait(or_else(0, "init.hang", 0, ""));
    return or_else(SUCCESS, "init", 0, "");
}
Return nvmlShutdown(void) { return SUCCESS; }
Return nvmlSystemGetDriverVersion(char *version, unsigned room) { snprintf(version, room, "535.129.03"); return SUCCESS; }
Return nvmlDeviceGetCount_v2(unsigned *count) {
    *count = or_else(1, "count", 0, "");
    return or_else(SUCCESS, "fail", 0, "");
}
Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    *device = handle_of(index, -1);
    ENTER(*device);
    return SUCCESS;
}

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
Return nvmlDeviceGetPciInfo_v3(Device device, Pci *pci) {
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02x:00.0", board_of(device) + 1);
    return SUCCESS;
}
Return nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, Device *device) {
    unsigned bus = 0;
    sscanf(bus_id, "00000000:%x:", &bus);
    *device = handle_of(bus - 1, -1);
    ENTER(*device);
    return bus && bus <= or_else(1, "count", 0, "") ? SUCCESS : GPU_NOT_FOUND;
}
Return nvmlDeviceGetIndex(Device device, unsigned *index) { *index = board_of(device); return SUCCESS; }
Return nvmlDeviceGetMinorNumber(Device device, unsigned *minor) { *minor = board_of(device); return SUCCESS; }
Return nvmlDeviceGetUUID(Device device, char *uuid, unsigned room) { snprintf(uuid, room, "GPU-%d", board_of(device)); return SUCCESS; }
Return nvmlDeviceGetName(Device device, char *name, unsigned room) { snprintf(name, room, "Simulated %d", board_of(device)); return SUCCESS; }

Return nvmlDeviceGetPowerUsage(Device device, unsigned *milliwatts) { ENTER(device); return plain(device, "power", milliwatts); }
Return nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *milliwatts) { ENTER(device); return plain(device, "limit", milliwatts); }
Return nvmlDeviceGetPowerManagementLimitConstraints(Device device, unsigned *least, unsigned *most) {
    *least = 0;
    return plain(device, "most", most);
}
Return nvmlDeviceGetTemperature(Device device, int sensor, unsigned *degrees) { ENTER(device); return plain(device, "temperature", degrees); }
Return nvmlDeviceGetFanSpeed(Device device, unsigned *percent) { ENTER(device); return plain(device, "fan", percent); }
Return nvmlDeviceGetUtilizationRates(Device device, unsigned *rates) {
    ENTER(device);
    Return code = plain(device, "gpu_utilization", rates);
    return code ? code : plain(device, "memory_utilization", rates + 1);
}
Return nvmlDeviceGetClockInfo(Device device, unsigned clock, unsigned *megahertz) {
    ENTER(device);
    char name[16];
    snprintf(name, sizeof name, "clock.%u", clock);
    return plain(device, name, megahertz);
}
Return nvmlDeviceGetEncoderUtilization(Device device, unsigned *percent, unsigned *micros) {
    ENTER(device);
    *micros = 100000;
    return plain(device, "encoder", percent);
}
Return nvmlDeviceGetDecoderUtilization(Device device, unsigned *percent, unsigned *micros) {
    ENTER(device);
    *micros = 200000;
    return plain(device, "decoder", percent);
}
Return nvmlDeviceGetCurrentClocksThrottleReasons(Device device, unsigned long long *reasons) {
    ENTER(device);
    return number(reasons, "%d.%s", board_of(device), "reasons") ? SUCCESS : NOT_SUPPORTED;
}
typedef struct { unsigned long long total, free, used; } Memory;
Return nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
    ENTER(device);
    if (!number(&memory->total, "%d.%s", board_of(device), "total")) return NOT_SUPPORTED;
    memory->used = or_else(0, "%d.%s", board_of(device), "used");
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
static Return processes(Device device, const char *kind, unsigned *count, Process *list) {
    char key[32], all[65536] = "";
    snprintf(key, sizeof key, "%d.%s", board_of(device), kind);
    text(key, all, sizeof all);
    unsigned found = 0;
    for (char *rest = all, *one; (one = strsep(&rest, ",")) && *one; found++) {
        Process process = {0, -1ULL, -1, -1};
        sscanf(one, "%u:%llu:%u:%u", &process.pid, &process.used, &process.gpu_instance, &process.compute_instance);
        if (found < *count) list[found] = process;
    }
    Return code = found > *count ? INSUFFICIENT_SIZE : SUCCESS;
    *count = found;
    return code;
}
Return nvmlDeviceGetComputeRunningProcesses_v2(Device device, unsigned *count, Process *list) { ENTER(device); return processes(device, "compute", count, list); }
Return nvmlDeviceGetGraphicsRunningProcesses_v2(Device device, unsigned *count, Process *list) { ENTER(device); return processes(device, "graphics", count, list); }

typedef struct { unsigned pid; unsigned long long at; unsigned sm, memory, encoder, decoder; } Use;
// As some drivers do, it repeats what was seen before.
Return nvmlDeviceGetProcessUtilization(Device device, Use *list, unsigned *count, unsigned long long last_seen) {
    ENTER(device);
    char key[32], all[65536];
    snprintf(key, sizeof key, "%d.uses", board_of(device));
    if (!text(key, all, sizeof all)) return NOT_SUPPORTED;
    unsigned found = 0;
    for (char *rest = all, *one; (one = strsep(&rest, ",")) && *one; found++) {
        Use use = {0};
        sscanf(one, "%u:%llu:%u:%u:%u:%u", &use.pid, &use.at, &use.sm, &use.memory, &use.encoder, &use.decoder);
        if (found < *count) list[found] = use;
    }
    Return code = !found ? NOT_FOUND : found > *count ? INSUFFICIENT_SIZE : SUCCESS;
    *count = found;
    return code;
}

#ifndef OLD
typedef struct { unsigned id, scope; long long timestamp, latency; int type; Return code; union { unsigned long long u64; unsigned u32; } value; } Field;
Return nvmlDeviceGetFieldValues(Device device, int count, Field *fields) {
    ENTER(device);
    for (Field *field = fields; field < fields + count; field++) {
        char name[32];
        int board = board_of(device);
        snprintf(name, sizeof name, "field.%u", field->id);
        unsigned long long value = 0;
        int found = number(&value, "%d.%s", board, name);
        snprintf(name, sizeof name, "field.%u.type", field->id);
        field->type = or_else(3, "%d.%s", board, name);
        snprintf(name, sizeof name, "field.%u.fail", field->id);
        field->code = or_else(found ? SUCCESS : NOT_SUPPORTED, "%d.%s", board, name);
        if (field->type == 1) field->value.u32 = value; else field->value.u64 = value;
    }
    return SUCCESS;
}
Return nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long *millijoules) {
    ENTER(device);
    return number(millijoules, "%d.%s", board_of(device), "energy") ? SUCCESS : NOT_SUPPORTED;
}
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
Return nvmlDeviceGetMemoryInfo_v2(Device device, Memory2 *memory) {
    ENTER(device);
    if (memory->version != (sizeof *memory | 2 << 24)) return 25;
    char total[32] = "total", used[32] = "used";
    int instance = instance_of(device);
    if (instance >= 0) {
        snprintf(total, sizeof total, "%d.total", instance);
        snprintf(used, sizeof used, "%d.used", instance);
    }
    if (!number(&memory->total, "%d.%s", board_of(device), total)) return NOT_SUPPORTED;
    memory->used = or_else(0, "%d.%s", board_of(device), used);
    memory->reserved = 1000;
    memory->free = memory->total - memory->used - memory->reserved;
    return SUCCESS;
}
Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, Process *list) { ENTER(device); return processes(device, "compute", count, list); }
Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned *count, Process *list) { ENTER(device); return processes(device, "graphics", count, list); }

Return nvmlDeviceGetMigMode(Device device, unsigned *now, unsigned *later) {
    ENTER(device);
    *later = 0;
    return plain(device, "mig", now);
}
Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned *count) { ENTER(device); *count = 7; return SUCCESS; }
Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device *partition) {
    ENTER(device);
    char key[32], all[256] = "";
    snprintf(key, sizeof key, "%d.partitions", board_of(device));
    text(key, all, sizeof all);
    char *rest = all, *one;
    while ((one = strsep(&rest, ",")) && *one)
        if (!index--) {
            *partition = handle_of(board_of(device), atoi(one));
            return SUCCESS;
        }
    return NOT_FOUND;
}
Return nvmlDeviceGetGpuInstanceId(Device device, unsigned *id) { ENTER(device); *id = instance_of(device); return SUCCESS; }

typedef struct { int board, instance; } Sample;
typedef struct { unsigned id; Return code; double value; const char *names[3]; } GpmMetric;
typedef struct { unsigned version, count; Sample *before, *now; GpmMetric metrics[210]; } GpmMetrics;
Return nvmlGpmQueryDeviceSupport(Device device, unsigned *support) { ENTER(device); return plain(device, "gpm", support + 1); }
Return nvmlGpmSampleAlloc(Sample **sample) { *sample = calloc(1, sizeof **sample); return SUCCESS; }
Return nvmlGpmSampleFree(Sample *sample) { free(sample); return SUCCESS; }
Return nvmlGpmSampleGet(Device device, Sample *sample) { ENTER(device); *sample = (Sample){board_of(device), -1}; return SUCCESS; }
Return nvmlGpmMigSampleGet(Device device, unsigned instance, Sample *sample) { ENTER(device); *sample = (Sample){board_of(device), instance}; return SUCCESS; }
Return nvmlGpmMetricsGet(GpmMetrics *wanted) {
    if (wanted->before == wanted->now || wanted->before->instance != wanted->now->instance) return INVALID_ARGUMENT;
    for (GpmMetric *metric = wanted->metrics; metric < wanted->metrics + wanted->count; metric++) {
        char name[32];
        int instance = wanted->now->instance;
        if (instance < 0) snprintf(name, sizeof name, "gpm.%u", metric->id);
        else snprintf(name, sizeof name, "%d.gpm.%u", instance, metric->id);
        unsigned long long value = 0;
        metric->code = number(&value, "%d.%s", wanted->now->board, name) ? SUCCESS : NOT_SUPPORTED;
        metric->value = value;
    }
    return SUCCESS;
}
#endif

// An event set is the number of events of each board that were told.
typedef struct { int board; unsigned told; } Events;
typedef struct { Device device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } Event;
Return nvmlEventSetCreate(Events **set) { *set = calloc(1, sizeof **set); return SUCCESS; }
Return nvmlEventSetFree(Events *set) { free(set); return SUCCESS; }
Return nvmlDeviceRegisterEvents(Device device, unsigned long long types, Events *set) {
    ENTER(device);
    if (types != 8) return NOT_SUPPORTED;
    set->board = board_of(device);
    return SUCCESS;
}
Return nvmlEventSetWait_v2(Events *set, Event *event, unsigned ms) {
    ENTER(handle_of(set->board, -1));
    char key[32], all[256] = "";
    snprintf(key, sizeof key, "%d.xids", set->board);
    text(key, all, sizeof all);
    unsigned left = set->told;
    char *rest = all, *one;
    while ((one = strsep(&rest, ",")) && *one)
        if (!left--) {
            set->told++;
            *event = (Event){handle_of(set->board, -1), 8, strtoull(one, 0, 10), -1, -1};
            return SUCCESS;
        }
    return TIMEOUT;
}
