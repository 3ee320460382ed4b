// Headgate
// SPDX-License-Identifier: Apache-2.0

// libcurl is loaded when the first request is made, and not linked: it and its thirty libraries are 4 MB in memory, and
// few gateways ask a schema registry. Its options and their numbers never change (docs/ABI.md of curl), so that a library of
// another version than the header does. Swift cannot call curl_easy_setopt, which takes any argument.

#include "CCurl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int (*global_init)(long);
    void *(*init)(void);
    int (*setopt)(void *, int, ...);
    int (*perform)(void *);
    int (*getinfo)(void *, int, ...);
    void (*cleanup)(void *);
    const char *(*strerror)(int);
    void *(*slist_append)(void *, const char *);
    void (*slist_free_all)(void *);
} curl;

static char load_error[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) snprintf(load_error, sizeof load_error, "libcurl has no %s", name);
    return found;
}

static void load(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++) library = dlopen(names[i], RTLD_NOW);
    if (!library) {
        snprintf(load_error, sizeof load_error, "libcurl is not installed: apt-get install libcurl4");
        return;
    }
    *(void **)&curl.global_init = symbol(library, "curl_global_init");
    *(void **)&curl.init = symbol(library, "curl_easy_init");
    *(void **)&curl.setopt = symbol(library, "curl_easy_setopt");
    *(void **)&curl.perform = symbol(library, "curl_easy_perform");
    *(void **)&curl.getinfo = symbol(library, "curl_easy_getinfo");
    *(void **)&curl.cleanup = symbol(library, "curl_easy_cleanup");
    *(void **)&curl.strerror = symbol(library, "curl_easy_strerror");
    *(void **)&curl.slist_append = symbol(library, "curl_slist_append");
    *(void **)&curl.slist_free_all = symbol(library, "curl_slist_free_all");
    if (!*load_error && curl.global_init(CURL_GLOBAL_ALL) != 0)
        snprintf(load_error, sizeof load_error, "libcurl cannot be started");
}

struct receipt {
    struct curl_answer *answer;
    size_t limit;
};

static size_t receive(char *bytes, size_t size, size_t count, void *context) {
    struct receipt *receipt = context;
    struct curl_answer *answer = receipt->answer;
    size_t length = size * count;
    if (length > receipt->limit - answer->length) return 0;
    char *grown = realloc(answer->body, answer->length + length + 1);
    if (!grown) return 0;
    memcpy(grown + answer->length, bytes, length);
    answer->body = grown;
    answer->length += length;
    return length;
}

static void *header(void *list, const char *name, const char *value) {
    char line[256];
    if (!value || snprintf(line, sizeof line, "%s: %s", name, value) >= (int)sizeof line) return list;
    void *grown = curl.slist_append(list, line);
    return grown ? grown : list;
}

void curl_make_request(const struct curl_request *request, struct curl_answer *answer) {
    memset(answer, 0, sizeof *answer);
    pthread_once(&once, load);
    void *easy = *load_error ? NULL : curl.init();
    if (!easy) {
        snprintf(answer->error, sizeof answer->error, "%s", *load_error ? load_error : "no memory");
        return;
    }
    struct receipt receipt = {answer, request->limit};
    curl.setopt(easy, CURLOPT_URL, request->url);
    curl.setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    // A timeout is no signal: other threads of the process would get it.
    curl.setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    curl.setopt(easy, CURLOPT_ERRORBUFFER, answer->error);
    curl.setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl.setopt(easy, CURLOPT_WRITEDATA, &receipt);
    if (request->body) {
        curl.setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body_length);
        curl.setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    if (request->username) curl.setopt(easy, CURLOPT_USERNAME, request->username);
    if (request->password) curl.setopt(easy, CURLOPT_PASSWORD, request->password);
    if (request->ca) curl.setopt(easy, CURLOPT_CAINFO, request->ca);
    if (request->certificate) curl.setopt(easy, CURLOPT_SSLCERT, request->certificate);
    if (request->key) curl.setopt(easy, CURLOPT_SSLKEY, request->key);
    void *headers = header(NULL, "Content-Type", request->content_type);
    // What is sent at once needs no leave first.
    headers = header(headers, "Expect", "");
    if (headers) curl.setopt(easy, CURLOPT_HTTPHEADER, headers);
    int code = curl.perform(easy);
    if (code == 0) {
        curl.getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
        answer->error[0] = 0;
    } else if (!*answer->error) {
        snprintf(answer->error, sizeof answer->error, "%s", curl.strerror(code));
    }
    curl.slist_free_all(headers);
    curl.cleanup(easy);
}
