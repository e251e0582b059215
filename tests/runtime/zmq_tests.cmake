# Test files of the ZeroMQ transport, relative to tests/runtime/.
set(ZMQ_TEST_SOURCES
  shm_arena_test.cpp
  zmq_faults_test.cpp
  zmq_inbox_test.cpp
  zmq_listen_test.cpp
  zmq_out_link_test.cpp
  zmq_outbox_test.cpp
  zmq_transport_test.cpp
  zmq_wire_test.cpp)
