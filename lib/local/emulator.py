"""Starts MiniStack for a rehearsal.

Its endpoint is plain HTTP on the loopback interface. With signatures checked it also obeys bucket and queue policies, and ours
refuse requests without TLS (aws:SecureTransport), as they must on AWS; here a loopback connection stands for a secure one.
"""

from ministack import app

pin_request_origin = app.pin_request_origin
app.pin_request_origin = lambda source_ip, _secure: pin_request_origin(source_ip, True)

app.main()
