/* A management controller of the test: what the kernel would answer, with the structures of its own header.
 * It is loaded before the C library (LD_PRELOAD). FAKE_IPMI names a file with what it does:
 * "watts N", "code N" (a completion code), "late" (other messages come first), "silent". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/ioctl.h>
#include <linux/ipmi.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long asked;
static int others;
static char word[16];
static unsigned number;

static void read_orders(void) {
  FILE *file = fopen(getenv("FAKE_IPMI"), "r");
  number = 0;
  if (!file || fscanf(file, "%15s %u", word, &number) < 1) abort();
  fclose(file);
}

static int send_command(const struct ipmi_req *req) {
  const struct ipmi_system_interface_addr *to = (const void *)req->addr;
  const unsigned char expected[] = {0xdc, 1, 0, 0};
  if (req->addr_len != sizeof *to || to->addr_type != IPMI_SYSTEM_INTERFACE_ADDR_TYPE ||
      to->channel != IPMI_BMC_CHANNEL || to->lun != 0 || req->msg.netfn != 0x2c || req->msg.cmd != 2 ||
      req->msg.data_len != sizeof expected || memcmp(req->msg.data, expected, sizeof expected)) {
    errno = EINVAL;
    return -1;
  }
  read_orders();
  asked = req->msgid;
  others = strcmp(word, "late") == 0 ? 2 : 0;
  return 0;
}

static int receive(struct ipmi_recv *recv) {
  unsigned char answer[19] = {0, 0xdc};
  size_t length = sizeof answer;
  if (recv->addr_len < sizeof(struct ipmi_addr)) {
    errno = EINVAL;
    return -1;
  }
  recv->recv_type = others == 2 ? IPMI_ASYNC_EVENT_RECV_TYPE : IPMI_RESPONSE_RECV_TYPE;
  recv->msgid = others == 1 ? asked - 1 : asked;
  answer[2] = number & 0xff;
  answer[3] = number >> 8;
  answer[18] = 0x40;
  if (others > 0) {
    others--;
    answer[2] = 99;
  } else if (strcmp(word, "late") == 0) {
    answer[2] = 42;
  } else if (strcmp(word, "code") == 0) {
    answer[0] = number;
    length = 1;
  }
  recv->msg.netfn = 0x2d;
  recv->msg.cmd = 2;
  recv->msg.data_len = length;
  memcpy(recv->msg.data, answer, length);
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  switch (request) {
  case IPMICTL_SEND_COMMAND: return send_command(argument);
  case IPMICTL_RECEIVE_MSG_TRUNC: return receive(argument);
  default: {
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
  }
  }
}

int poll(struct pollfd *files, nfds_t count, int timeout) {
  if (count == 1 && strcmp(word, "silent") == 0) {
    usleep(timeout * 1000);
    return 0;
  }
  int (*real)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");
  return real(files, count, timeout);
}
