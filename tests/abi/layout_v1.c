/* tests/abi/layout_v1.c - the offset and the size of every field that crosses the plugin ABIs 1.x.
 *
 * These numbers are frozen: no FIELD and no NUMBER may change. A field that is appended brings its
 * own line, and a new SIZE, under `#if FLT_ABI_MINOR >= …`. The file is compiled against today's
 * header and against each frozen one of sdk/history. LP64 only, which is every machine that we build
 * for. */
#include <flotilla/isolation.h>
#include <flotilla/provider.h>
#include <stddef.h>

#define FIELD(type, field, offset, size)                                                           \
    _Static_assert(offsetof(struct type, field) == (offset) &&                                     \
                       sizeof(((struct type *) 0)->field) == (size),                               \
                   #type "." #field " has moved")
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " has another size")
#define NUMBER(name, value) _Static_assert((name) == (value), #name " has another value")

FIELD(flt_instance, struct_size, 0, 4);
FIELD(flt_instance, state, 4, 4);
FIELD(flt_instance, id, 8, 8);
SIZE(flt_instance, 16);

FIELD(flt_host_key, struct_size, 0, 4);
FIELD(flt_host_key, reserved, 4, 4);
FIELD(flt_host_key, type, 8, 8);
FIELD(flt_host_key, key, 16, 8);
SIZE(flt_host_key, 24);

FIELD(flt_connect_info, struct_size, 0, 4);
FIELD(flt_connect_info, port, 4, 4);
FIELD(flt_connect_info, protocol, 8, 8);
FIELD(flt_connect_info, os, 16, 8);
FIELD(flt_connect_info, arch, 24, 8);
FIELD(flt_connect_info, address, 32, 8);
FIELD(flt_connect_info, external_address, 40, 8);
FIELD(flt_connect_info, username, 48, 8);
FIELD(flt_connect_info, password, 56, 8);
FIELD(flt_connect_info, key, 64, 8);
FIELD(flt_connect_info, host_keys, 72, 8);
FIELD(flt_connect_info, n_host_keys, 80, 4);
FIELD(flt_connect_info, reserved, 84, 4);
FIELD(flt_connect_info, expires_ms, 88, 8);
SIZE(flt_connect_info, 96);

FIELD(flt_signal, struct_size, 0, 4);
FIELD(flt_signal, code, 4, 4);
FIELD(flt_signal, instance, 8, 8);
FIELD(flt_signal, text, 16, 8);
FIELD(flt_signal, at_ms, 24, 8);
SIZE(flt_signal, 32);

FIELD(flt_config_key, struct_size, 0, 4);
FIELD(flt_config_key, required, 4, 4);
FIELD(flt_config_key, name, 8, 8);
FIELD(flt_config_key, type, 16, 8);
FIELD(flt_config_key, default_value, 24, 8);
FIELD(flt_config_key, help, 32, 8);
SIZE(flt_config_key, 40);

FIELD(flt_group_info, struct_size, 0, 4);
FIELD(flt_group_info, max_size, 4, 4);
FIELD(flt_group_info, identity, 8, 8);
FIELD(flt_group_info, price_micros_hour, 16, 8);
FIELD(flt_group_info, minimum_billed_ms, 24, 8);
FIELD(flt_group_info, minimum_life_ms, 32, 8);
FIELD(flt_group_info, recycle_ms, 40, 8);
SIZE(flt_group_info, 48);

FIELD(flt_host, struct_size, 0, 4);
FIELD(flt_host, abi_minor, 4, 4);
FIELD(flt_host, log, 8, 8);
FIELD(flt_host, fail, 16, 8);
FIELD(flt_host, time_left_ms, 24, 8);
FIELD(flt_host, cancelled, 32, 8);
FIELD(flt_host, cancel_fd, 40, 8);
FIELD(flt_host, request_id, 48, 8);
FIELD(flt_host, epoch, 56, 8);
FIELD(flt_host, run, 64, 8);
FIELD(flt_host, describe_group, 72, 8);
FIELD(flt_host, state_dir, 80, 8);
#if FLT_ABI_MINOR >= 1
FIELD(flt_host, manager, 88, 8);
SIZE(flt_host, 96);
#else
SIZE(flt_host, 88);
#endif

FIELD(flt_provider, magic, 0, 4);
FIELD(flt_provider, struct_size, 4, 4);
FIELD(flt_provider, abi_minor, 8, 4);
FIELD(flt_provider, abi_minor_needed, 12, 4);
FIELD(flt_provider, name, 16, 8);
FIELD(flt_provider, version, 24, 8);
FIELD(flt_provider, capabilities, 32, 8);
FIELD(flt_provider, open, 40, 8);
FIELD(flt_provider, close, 48, 8);
FIELD(flt_provider, list, 56, 8);
FIELD(flt_provider, increase, 64, 8);
FIELD(flt_provider, decrease, 72, 8);
FIELD(flt_provider, connect_info, 80, 8);
FIELD(flt_provider, heartbeat, 88, 8);
FIELD(flt_provider, suspend, 96, 8);
FIELD(flt_provider, resume, 104, 8);
FIELD(flt_provider, signals, 112, 8);
FIELD(flt_provider, config_keys, 120, 8);
SIZE(flt_provider, 128);

/* The smallest descriptor ends behind connect_info. */
NUMBER(FLT_PROVIDER_SIZE_1_0, 88);
NUMBER(FLT_PROVIDER_SIZE_1_0, offsetof(struct flt_provider, connect_info) +
                                  sizeof(((struct flt_provider *) 0)->connect_info));

/* No record of 1.0 is smaller, however many fields follow. */
NUMBER(FLT_HOST_SIZE_1_0, 88);
NUMBER(FLT_INSTANCE_SIZE_1_0, 16);
NUMBER(FLT_HOST_KEY_SIZE_1_0, 24);
NUMBER(FLT_CONNECT_INFO_SIZE_1_0, 96);
NUMBER(FLT_CONFIG_KEY_SIZE_1_0, 40);
NUMBER(FLT_SIGNAL_SIZE_1_0, 32);
NUMBER(FLT_GROUP_INFO_SIZE_1_0, 48);

NUMBER(FLT_PROVIDER_MAGIC, 0x464c5450);
NUMBER(FLT_OK, 0);
NUMBER(FLT_E_INVALID, -10001);
NUMBER(FLT_E_AUTH, -10002);
NUMBER(FLT_E_QUOTA, -10003);
NUMBER(FLT_E_THROTTLED, -10004);
NUMBER(FLT_E_UNAVAILABLE, -10005);
NUMBER(FLT_E_NOT_FOUND, -10006);
NUMBER(FLT_E_NOT_READY, -10007);
NUMBER(FLT_E_PARTIAL, -10008);
NUMBER(FLT_E_STALE, -10009);
NUMBER(FLT_E_UNHEALTHY, -10010);
NUMBER(FLT_E_CANCELLED, -10011);
NUMBER(FLT_E_TIMEOUT, -10012);
NUMBER(FLT_E_UNSUPPORTED, -10013);
NUMBER(FLT_E_INTERNAL, -10014);
NUMBER(FLT_E_ABI, -10015);
NUMBER(FLT_STATE_CREATING, 0);
NUMBER(FLT_STATE_RUNNING, 1);
NUMBER(FLT_STATE_DELETING, 2);
NUMBER(FLT_STATE_DELETED, 3);
NUMBER(FLT_STATE_TIMEOUT, 4);
NUMBER(FLT_STATE_SUSPENDING, 5);
NUMBER(FLT_STATE_SUSPENDED, 6);
NUMBER(FLT_STATE_RESUMING, 7);
NUMBER(FLT_LOG_ERROR, 0);
NUMBER(FLT_LOG_WARNING, 1);
NUMBER(FLT_LOG_NOTICE, 2);
NUMBER(FLT_LOG_INFO, 3);
NUMBER(FLT_LOG_DEBUG, 4);
NUMBER(FLT_CAP_HEARTBEAT, 1);
NUMBER(FLT_CAP_SUSPEND_RESUME, 2);
NUMBER(FLT_CAP_SIGNALS, 4);
NUMBER(FLT_CAP_CONFIG_KEYS, 8);
NUMBER(FLT_CAP_THIS_MACHINE, 16);
NUMBER(FLT_CAP_IDS_RETURN, 32);

/* Isolations. */
FIELD(flt_vm, struct_size, 0, 4);
FIELD(flt_vm, reserved, 4, 4);
FIELD(flt_vm, id, 8, 8);
FIELD(flt_vm, name, 16, 8);
FIELD(flt_vm, addr, 24, 8);
FIELD(flt_vm, stomped_id, 32, 8);
SIZE(flt_vm, 40);

FIELD(flt_isolation_host, struct_size, 0, 4);
FIELD(flt_isolation_host, abi_minor, 4, 4);
FIELD(flt_isolation_host, log, 8, 8);
FIELD(flt_isolation_host, fail, 16, 8);
FIELD(flt_isolation_host, time_left_ms, 24, 8);
FIELD(flt_isolation_host, cancelled, 32, 8);
FIELD(flt_isolation_host, cancel_fd, 40, 8);
FIELD(flt_isolation_host, dial, 48, 8);
SIZE(flt_isolation_host, 56);

FIELD(flt_isolation, magic, 0, 4);
FIELD(flt_isolation, struct_size, 4, 4);
FIELD(flt_isolation, abi_minor, 8, 4);
FIELD(flt_isolation, abi_minor_needed, 12, 4);
FIELD(flt_isolation, name, 16, 8);
FIELD(flt_isolation, version, 24, 8);
FIELD(flt_isolation, capabilities, 32, 8);
FIELD(flt_isolation, open, 40, 8);
FIELD(flt_isolation, close, 48, 8);
FIELD(flt_isolation, create, 56, 8);
FIELD(flt_isolation, remove, 64, 8);
FIELD(flt_isolation, list, 72, 8);
FIELD(flt_isolation, shutdown, 80, 8);
SIZE(flt_isolation, 88);

NUMBER(FLT_ISOLATION_SIZE_1_0, 80);
NUMBER(FLT_ISOLATION_SIZE_1_0,
       offsetof(struct flt_isolation, list) + sizeof(((struct flt_isolation *) 0)->list));
NUMBER(FLT_ISOLATION_HOST_SIZE_1_0, 56);
NUMBER(FLT_VM_SIZE_1_0, 40);
NUMBER(FLT_ISOLATION_MAGIC, 0x464c5449);
NUMBER(FLT_ISOLATION_CAP_SHUTDOWN, 1);
NUMBER(FLT_SLOT_NONE, -1);
