# Sources of the ZeroMQ transport, relative to runtime/.
set(ZMQ_SOURCES
  transport/crc32c.cpp
  transport/process_mark.cpp
  transport/shm_arena.cpp
  transport/zmq_attention.cpp
  transport/zmq_doorkeeper.cpp
  transport/zmq_handshake.cpp
  transport/zmq_inbox.cpp
  transport/zmq_link_key.cpp
  transport/zmq_listen.cpp
  transport/zmq_out_link.cpp
  transport/zmq_outbox.cpp
  transport/zmq_post_office.cpp
  transport/zmq_seal.cpp
  transport/zmq_sockets.cpp
  transport/zmq_transport.cpp
  transport/zmq_wire.cpp)
