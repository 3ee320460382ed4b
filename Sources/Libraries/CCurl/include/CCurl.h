// Headgate
// SPDX-License-Identifier: Apache-2.0

#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>

/// A request; what may be left out is NULL.
struct curl_request {
    const char *_Nonnull method;
    const char *_Nonnull url;
    const char *_Nullable body;
    size_t body_length;
    const char *_Nullable content_type;
    const char *_Nullable username;
    const char *_Nullable password;
    const char *_Nullable ca;
    const char *_Nullable certificate;
    const char *_Nullable key;
    long timeout_ms;
    /// Bytes of an answer; a longer one is an error.
    size_t limit;
};

struct curl_answer {
    long status;
    /// To be freed.
    char *_Nullable body;
    size_t length;
    /// Why there is none; empty where there is one.
    char error[256];
};

/// Makes a request and waits for its answer.
void curl_make_request(const struct curl_request *_Nonnull request, struct curl_answer *_Nonnull answer);

#endif
