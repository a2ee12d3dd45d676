/*
 * httpload: asks an HTTP server N times and checks every single response.
 *
 *     httpload [-k] [-p] [-c CONNECTIONS] [-n REQUESTS] [-t SECONDS] ADDRESS PATH=FILE...
 *
 * ADDRESS is IPV4:PORT or unix:PATH. Request number i asks for `PATH?n=i`, the paths taking turns.
 * Its response must have status 200, a header `X-Number: i`, so that one that was meant for another
 * connection is noticed, and the bytes of FILE for a body. Without -k each request has a connection
 * of its own, which the server has to close; with -k CONNECTIONS of them are kept open. With -p
 * FILE is also sent, as the body of a POST. If nothing moves for SECONDS, what is under way has
 * failed.
 *
 * Prints one line of pairs, and on stderr what is wrong with the first few that failed. Exit status
 * 0 if no request failed, 1 if one did, 2 for bad usage. It waits by poll, so that no layer over
 * epoll can be in its way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    CONNECTIONS_MAX = 1024,
    TARGETS_MAX = 64,
    HEADER_MAX = 64 * 1024, /* of a response; of a request it is far below */
    READ_SIZE = 256 * 1024,
    TOLD_MAX = 10,    /* failures that are told in words */
    FAILED_MAX = 100, /* failures after which nothing more is asked */
};

struct bytes {
    char *data;
    size_t length, room;
};

struct target {
    const char *path;
    struct bytes expected;
};

enum state {
    STATE_FREE, /* no socket */
    STATE_IDLE, /* kept open, nothing asked */
    STATE_SENDING,
    STATE_READING,
    STATE_CLOSING, /* the response is there, and the server has to close */
};

enum framing {
    FRAMING_UNKNOWN, /* the header is not complete */
    FRAMING_LENGTH,
    FRAMING_CHUNKED,
    FRAMING_CLOSE, /* the body ends where the stream ends */
};

struct connection {
    int fd;
    enum state state;
    unsigned long number; /* of the request */
    struct bytes out, in, body;
    size_t sent;   /* of out */
    size_t parsed; /* of in: the header, and the chunks that are complete */
    size_t body_length;
    enum framing framing;
    bool closes; /* the server says that it will close */
};

struct load {
    bool keep_alive, post;
    unsigned nconnections, ntargets;
    unsigned long nrequests, next, finished, failed, opened;
    unsigned long long nbytes;
    uint64_t digest;
    int seconds;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    socklen_t address_length;
    const char *host;
    struct target targets[TARGETS_MAX];
    struct connection connections[CONNECTIONS_MAX];
};

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "httpload: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    exit(2);
}

static void bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->room - bytes->length >= more)
        return;
    bytes->room = bytes->length + more + bytes->room;
    bytes->data = realloc(bytes->data, bytes->room);
    if (!bytes->data)
        give_up("out of memory");
}

static void bytes_append(struct bytes *bytes, const char *data, size_t length)
{
    bytes_reserve(bytes, length + 1);
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    bytes->data[bytes->length] = '\0'; /* for the functions that look for text */
}

static void bytes_clear(struct bytes *bytes)
{
    bytes_reserve(bytes, 1);
    bytes->length = 0;
    bytes->data[0] = '\0';
}

static struct target *target_of(struct load *load, unsigned long number)
{
    return &load->targets[number % load->ntargets];
}

static void connection_close(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    connection->state = STATE_FREE;
}

__attribute__((format(printf, 3, 4))) static void
request_failed(struct load *load, struct connection *connection, const char *format, ...)
{
    va_list arguments;

    if (load->failed++ < TOLD_MAX) {
        fprintf(stderr, "httpload: request %lu (%s): ", connection->number,
                target_of(load, connection->number)->path);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, "\n");
    }
    load->finished++;
    connection_close(connection);
}

static void connection_open(struct load *load, struct connection *connection)
{
    connection->fd =
        socket(load->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        give_up("socket: %s", strerror(errno));
    load->opened++;
    /* A full backlog of a Unix socket is EAGAIN and would have to be tried again; the backlog of
     * every server here is larger than CONNECTIONS_MAX, or the caller asks for fewer. */
    if (connect(connection->fd, &load->address.any, load->address_length) != 0 &&
        errno != EINPROGRESS) {
        request_failed(load, connection, "connect: %s", strerror(errno));
        return;
    }
    connection->state = STATE_SENDING;
}

/* Asks for the next request on a connection that is free or idle. */
static void request_start(struct load *load, struct connection *connection)
{
    char header[1024];

    connection->number = load->next++;
    const struct target *target = target_of(load, connection->number);
    size_t length = load->post ? target->expected.length : 0;
    int written = snprintf(header, sizeof(header),
                           "%s %s?n=%lu HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n"
                           "Content-Length: %zu\r\n\r\n",
                           load->post ? "POST" : "GET", target->path, connection->number,
                           load->host, load->keep_alive ? "keep-alive" : "close", length);
    if (written < 0 || (size_t)written >= sizeof(header))
        give_up("the path %s is too long", target->path);
    bytes_clear(&connection->out);
    bytes_append(&connection->out, header, (size_t)written);
    bytes_append(&connection->out, target->expected.data, length);
    bytes_clear(&connection->in);
    bytes_clear(&connection->body);
    connection->sent = connection->parsed = connection->body_length = 0;
    connection->framing = FRAMING_UNKNOWN;
    connection->closes = !load->keep_alive;
    if (connection->state == STATE_FREE)
        connection_open(load, connection);
    else
        connection->state = STATE_SENDING;
}

/* The value of a header, or NULL. `header` ends with an empty line. */
static const char *header_value(const char *header, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(header, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

/* Reads the header. Returns false if the request has failed. */
static bool header_read(struct load *load, struct connection *connection)
{
    unsigned status;
    char *header = connection->in.data;
    char *end = strstr(header, "\r\n\r\n");

    if (!end && connection->in.length > HEADER_MAX) {
        request_failed(load, connection, "the header does not end");
        return false;
    }
    if (!end)
        return true;
    connection->parsed = (size_t)(end - header) + 4;
    end[2] = '\0'; /* of the lines that header_value looks at */
    if (sscanf(header, "HTTP/1.%*1[01] %u", &status) != 1 || status != 200) {
        request_failed(load, connection, "'%.*s'", (int)strcspn(header, "\r\n"), header);
        return false;
    }
    const char *number = header_value(header, "X-Number");
    if (!number || strtoul(number, NULL, 10) != connection->number) {
        number = number ? number : "of no number";
        request_failed(load, connection, "the response is to request %.*s",
                       (int)strcspn(number, "\r\n"), number);
        return false;
    }
    const char *encoding = header_value(header, "Transfer-Encoding");
    const char *length = header_value(header, "Content-Length");
    const char *persistence = header_value(header, "Connection");
    if (encoding && strncasecmp(encoding, "chunked", 7) == 0) {
        connection->framing = FRAMING_CHUNKED;
    } else if (length) {
        connection->framing = FRAMING_LENGTH;
        connection->body_length = strtoul(length, NULL, 10);
    } else {
        connection->framing = FRAMING_CLOSE;
    }
    connection->closes |= persistence && strncasecmp(persistence, "close", 5) == 0;
    return true;
}

/* Takes the chunks that are complete. Returns 1 after the last one, 0 if more has to come, -1 if it
 * makes no sense. */
static int chunks_read(struct connection *connection)
{
    const struct bytes *in = &connection->in;

    for (;;) {
        const char *line = in->data + connection->parsed;
        const char *end = strstr(line, "\r\n");
        char *after;
        if (!end)
            return 0;
        size_t length = strtoul(line, &after, 16);
        if (after == line || (*after != '\r' && *after != ';') || length > SIZE_MAX / 4)
            return -1;
        const char *data = end + 2;
        if (in->length - (size_t)(data - in->data) < length + 2)
            return 0;
        if (memcmp(data + length, "\r\n", 2) != 0) /* trailers are not expected either */
            return -1;
        connection->parsed = (size_t)(data - in->data) + length + 2;
        if (length == 0)
            return 1;
        bytes_append(&connection->body, data, length);
    }
}

/* Is the whole response there? 1, 0, or -1 if it makes no sense. */
static int body_read(struct connection *connection, bool ended)
{
    size_t there = connection->in.length - connection->parsed;
    const char *data = connection->in.data + connection->parsed;

    switch (connection->framing) {
    case FRAMING_CHUNKED:
        return chunks_read(connection);
    case FRAMING_LENGTH:
        if (there < connection->body_length)
            return 0;
        bytes_append(&connection->body, data, connection->body_length);
        connection->parsed += connection->body_length;
        return 1;
    case FRAMING_CLOSE:
        if (!ended)
            return 0;
        bytes_append(&connection->body, data, there);
        connection->parsed += there;
        return 1;
    default:
        return 0;
    }
}

/* The response is complete and, where it has to be, the connection closed. */
static void request_succeeded(struct load *load, struct connection *connection)
{
    const struct bytes *body = &connection->body;

    load->finished++;
    load->nbytes += body->length;
    /* A sum, because responses do not come in the order of the requests. */
    load->digest += XXH64(body->data, body->length, connection->number);
    if (connection->closes)
        connection_close(connection);
    else
        connection->state = STATE_IDLE;
}

/* The response is complete; is it the right one? */
static void response_check(struct load *load, struct connection *connection)
{
    const struct bytes *body = &connection->body;
    const struct bytes *expected = &target_of(load, connection->number)->expected;

    if (connection->in.length > connection->parsed)
        request_failed(load, connection, "%zu bytes come after the response",
                       connection->in.length - connection->parsed);
    else if (body->length != expected->length)
        request_failed(load, connection, "a body of %zu bytes, expected %zu", body->length,
                       expected->length);
    else if (memcmp(body->data, expected->data, body->length) != 0)
        request_failed(load, connection, "another body of the same length");
    else if (connection->closes && connection->framing != FRAMING_CLOSE)
        connection->state = STATE_CLOSING;
    else
        request_succeeded(load, connection);
}

static void stream_ended(struct load *load, struct connection *connection, const char *how)
{
    if (connection->state == STATE_CLOSING) {
        request_succeeded(load, connection);
        return;
    }
    if (connection->state == STATE_IDLE) {
        /* It was offered for reuse, so closing it is a mistake, though no request has failed yet.
         */
        request_failed(load, connection, "the server closed a connection that it keeps open (%s)",
                       how);
        return;
    }
    request_failed(load, connection, "%s after %zu bytes of the response", how,
                   connection->in.length);
}

static void connection_read(struct load *load, struct connection *connection)
{
    struct bytes *in = &connection->in;

    bytes_reserve(in, READ_SIZE + 1);
    ssize_t length = recv(connection->fd, in->data + in->length, READ_SIZE, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0) {
        stream_ended(load, connection, strerror(errno));
        return;
    }
    in->length += (size_t)length;
    in->data[in->length] = '\0';
    if (length > 0 && connection->state != STATE_READING) {
        /* It answers before it has read the question, or after its answer. */
        request_failed(load, connection, "%zd bytes that nobody asked for", length);
        return;
    }
    if (connection->framing == FRAMING_UNKNOWN && !header_read(load, connection))
        return;
    int complete = connection->state == STATE_READING ? body_read(connection, length == 0) : 0;
    if (complete < 0)
        request_failed(load, connection, "the chunks of the body make no sense");
    else if (complete > 0)
        response_check(load, connection);
    else if (length == 0)
        stream_ended(load, connection, "end of the stream");
}

static void connection_write(struct load *load, struct connection *connection)
{
    struct bytes *out = &connection->out;
    ssize_t length = send(connection->fd, out->data + connection->sent,
                          out->length - connection->sent, MSG_NOSIGNAL);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0) {
        request_failed(load, connection, "%s after %zu bytes of the request", strerror(errno),
                       connection->sent);
        return;
    }
    connection->sent += (size_t)length;
    if (connection->sent == out->length)
        connection->state = STATE_READING;
}

static bool more_to_ask(const struct load *load)
{
    return load->next < load->nrequests && load->failed < FAILED_MAX;
}

static void start_requests(struct load *load)
{
    for (unsigned i = 0; i < load->nconnections; i++) {
        struct connection *connection = &load->connections[i];
        while ((connection->state == STATE_FREE || connection->state == STATE_IDLE) &&
               more_to_ask(load))
            request_start(load, connection);
    }
}

/* Returns how many connections have something under way. */
static unsigned watch(const struct load *load, struct pollfd *ret_polled)
{
    unsigned busy = 0;

    for (unsigned i = 0; i < load->nconnections; i++) {
        const struct connection *connection = &load->connections[i];
        bool sending = connection->state == STATE_SENDING;
        ret_polled[i].fd = connection->state == STATE_FREE ? -1 : connection->fd;
        ret_polled[i].events = sending ? POLLOUT : POLLIN;
        busy += connection->state > STATE_IDLE;
    }
    return busy;
}

static const char *const state_words[] = {
    [STATE_FREE] = "",
    [STATE_IDLE] = "",
    [STATE_SENDING] = "taking the request",
    [STATE_READING] = "sending the response",
    [STATE_CLOSING] = "closing the connection",
};

static void fail_what_is_under_way(struct load *load)
{
    for (unsigned i = 0; i < load->nconnections; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->state > STATE_IDLE)
            request_failed(load, connection,
                           "the server stopped %s, and nothing happened for %d s; %zu bytes sent, "
                           "%zu received",
                           state_words[connection->state], load->seconds, connection->sent,
                           connection->in.length);
    }
}

static void run(struct load *load)
{
    static struct pollfd polled[CONNECTIONS_MAX];

    int quiet = 0; /* seconds in which nothing happened */

    for (unsigned i = 0; i < load->nconnections; i++)
        load->connections[i].fd = -1;
    for (;;) {
        start_requests(load);
        if (watch(load, polled) == 0)
            return;
        /* One second at a time: a virtual machine that stands still for a minute loses one. */
        int count = poll(polled, load->nconnections, 1000);
        if (count < 0 && errno != EINTR)
            give_up("poll: %s", strerror(errno));
        quiet = count == 0 ? quiet + 1 : 0;
        if (quiet == load->seconds) {
            fail_what_is_under_way(load);
            return;
        }
        for (unsigned i = 0; i < load->nconnections; i++) {
            struct connection *connection = &load->connections[i];
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            if (connection->state == STATE_SENDING)
                connection_write(load, connection);
            else
                connection_read(load, connection);
        }
    }
}

static void read_address(struct load *load, char *text)
{
    char host[64];
    char *colon = strrchr(text, ':');

    load->host = "localhost";
    if (strncmp(text, "unix:", 5) == 0) {
        load->address.un.sun_family = AF_UNIX;
        if (strlen(text + 5) >= sizeof(load->address.un.sun_path))
            give_up("the path '%s' is too long for a Unix socket", text + 5);
        strcpy(load->address.un.sun_path, text + 5);
        load->address_length = sizeof(load->address.un);
        return;
    }
    load->address.in.sin_family = AF_INET;
    load->address_length = sizeof(load->address.in);
    if (!colon)
        give_up("bad address '%s', expected IPV4:PORT or unix:PATH", text);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    load->address.in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &load->address.in.sin_addr) != 1)
        give_up("bad address '%s', expected IPV4:PORT or unix:PATH", text);
}

static void read_target(struct target *target, char *text)
{
    char *equals = strchr(text, '=');

    if (!equals)
        give_up("bad target '%s', expected PATH=FILE", text);
    *equals = '\0';
    target->path = text;
    FILE *file = fopen(equals + 1, "re");
    if (!file)
        give_up("%s: %s", equals + 1, strerror(errno));
    bytes_clear(&target->expected);
    for (size_t length = 1; length > 0;) {
        bytes_reserve(&target->expected, READ_SIZE);
        length = fread(target->expected.data + target->expected.length, 1, READ_SIZE, file);
        target->expected.length += length;
    }
    fclose(file);
}

static unsigned long read_number(const char *text, unsigned long max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*end != '\0' || number < 1 || number > max)
        give_up("bad number '%s', expected 1 to %lu", text, max);
    return number;
}

static void read_options(struct load *load, int argc, char **argv)
{
    int option;

    load->nconnections = 10;
    load->nrequests = 1000;
    load->seconds = 20;
    while ((option = getopt(argc, argv, "kpc:n:t:")) != -1) {
        switch (option) {
        case 'k':
            load->keep_alive = true;
            break;
        case 'p':
            load->post = true;
            break;
        case 'c':
            load->nconnections = (unsigned)read_number(optarg, CONNECTIONS_MAX);
            break;
        case 'n':
            load->nrequests = read_number(optarg, 1000 * 1000 * 1000);
            break;
        case 't':
            load->seconds = (int)read_number(optarg, 3600);
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind < 2 || argc - optind - 1 > TARGETS_MAX)
        give_up("usage: httpload [-k] [-p] [-c CONNECTIONS] [-n REQUESTS] [-t SECONDS] ADDRESS "
                "PATH=FILE...");
    read_address(load, argv[optind]);
    for (int i = optind + 1; i < argc; i++)
        read_target(&load->targets[load->ntargets++], argv[i]);
}

int main(int argc, char **argv)
{
    static struct load load;

    read_options(&load, argc, argv);
    run(&load);
    printf("requests=%lu failed=%lu connections=%lu bytes=%llu digest=%016llx\n", load.finished,
           load.failed, load.opened, load.nbytes, (unsigned long long)load.digest);
    return load.failed || load.finished < load.nrequests;
}
