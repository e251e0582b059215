# Test files of the ZeroMQ transport, relative to tests/runtime/.
set(ZMQ_TEST_SOURCES
  transport/crc32c_test.cpp
  transport/shm_arena_test.cpp
  transport/shm_sharing_test.cpp
  transport/zmq_faults_test.cpp
  transport/zmq_faulty_sockets_test.cpp
  transport/zmq_inbox_test.cpp
  transport/zmq_lanes_test.cpp
  transport/zmq_link_key_test.cpp
  transport/zmq_listen_test.cpp
  transport/zmq_office_duty_test.cpp
  transport/zmq_out_link_test.cpp
  transport/zmq_post_office_test.cpp
  transport/zmq_outbox_test.cpp
  transport/zmq_seal_test.cpp
  transport/zmq_transport_test.cpp
  transport/zmq_wire_test.cpp)
