//! `MicroPython`, lwIP, the ESP devices, mbed TLS.

use super::phrases;

phrases! {
    Sentence "MBEDTLS_ERR_SSL_INVALID_RECORD" TLS_TO_PLAIN;
    Sentence "MBEDTLS_ERR_SSL_CONN_EOF" TLS_CUT;
    Sentence "MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY" PEER_CLOSED;
    Sentence "MBEDTLS_ERR_SSL_TIMEOUT" TLS_TIMEOUT;
    Sentence "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE" TLS_NO_COMMON;
    Sentence "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE" TLS_NO_COMMON;
    Sentence "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED" CERT_UNKNOWN_ISSUER CERT_SELF_SIGNED CERT_EXPIRED CERT_WRONG_NAME;
    Sentence "MBEDTLS_ERR_NET_CONN_RESET" ECONNRESET;
    Sentence "MBEDTLS_ERR_NET_CONNECT_FAILED" ECONNREFUSED EHOSTUNREACH ETIMEDOUT;
    Sentence "MBEDTLS_ERR_NET_UNKNOWN_HOST" EAI_NONAME EAI_AGAIN;
    Sentence "MPI_ALLOC_FAILED" ENOMEM;
    Sentence "MBEDTLS_ERR_SSL_ALLOC_FAILED" ENOMEM;
    Sentence "mbedtls_ssl_handshake returned -0x7200" TLS_TO_PLAIN;
    Sentence "mbedtls_ssl_handshake returned -0x7280" TLS_CUT;
    Sentence "mbedtls_ssl_handshake returned -0x7780" TLS_NO_COMMON;
    Sentence "mbedtls_ssl_handshake returned -0x2700" CERT_UNKNOWN_ISSUER CERT_SELF_SIGNED CERT_EXPIRED CERT_WRONG_NAME;
    Sentence "mbedtls_ssl_handshake returned -0x50" ECONNRESET;
    Sentence "mbedtls_ssl_handshake returned -0x4C" PEER_CLOSED;
    Sentence "ERR_ABRT" ECONNABORTED;
    Sentence "ERR_RST" ECONNRESET;
    Sentence "ERR_CLSD" PEER_CLOSED;
    Sentence "ERR_MEM" ENOMEM;
    Sentence "ERR_BUF" ENOBUFS;
    Sentence "ERR_RTE" EHOSTUNREACH;
    Sentence "ERR_CONN" ENOTCONN;
    Sentence "ERR_ISCONN" EISCONN;
    Sentence "ERR_USE" EADDRINUSE;
    Sentence "ERR_INPROGRESS" EINPROGRESS;
    Sentence "ERR_WOULDBLOCK" EAGAIN;
    Sentence "ESP_ERR_HTTP_CONNECT" ECONNREFUSED EHOSTUNREACH ETIMEDOUT;
    Sentence "ESP_ERR_HTTP_EAGAIN" READ_TIMEOUT;
    Sentence "ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME" EAI_NONAME EAI_AGAIN;
    Sentence "ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT" ETIMEDOUT;
    Sentence "ESP_ERR_ESP_TLS_TCP_CLOSED_FIN" PEER_CLOSED;
    Hint "ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST" ECONNREFUSED EHOSTUNREACH ECONNABORTED;
    Sentence "getaddrinfo() returns 202" EAI_FAIL EAI_NONAME;
    Sentence "getaddrinfo() returns 200" EAI_NONAME;
    Sentence "Failed to request hostname" EAI_NONAME EAI_AGAIN;
    Sentence "WiFiClient…connect fail: errno: 113" ECONNABORTED;
    Sentence "HTTPC_ERROR_CONNECTION_REFUSED" ECONNREFUSED EHOSTUNREACH ETIMEDOUT;
    Sentence "HTTPC_ERROR_CONNECTION_LOST" PEER_CLOSED;
    Sentence "HTTPC_ERROR_READ_TIMEOUT" READ_TIMEOUT;
    Sentence "MQTT_CONNECTION_REFUSED" ECONNREFUSED;
    Sentence "Software caused connection abort" ECONNABORTED;
    Sentence "SSL - Memory allocation failed" ENOMEM;
    Sentence "Failed to open new connection in specified timeout" ETIMEDOUT;
    Sentence "MQTTException: 5" LOGIN_REFUSED;
    Sentence "MQTTException: 4" LOGIN_REFUSED;
    Sentence "(-76) UNKNOWN ERROR CODE (004C)" ECONNRESET PEER_CLOSED;
    Sentence "httpd_server_init: error in bind (112)" EADDRINUSE;
}
