#pragma once

namespace troupe::runtime {

/// The checks on which the promises about messages rest. All are on, always, but where a test of the simulation takes
/// one out to see that its absence is noticed; no option of a program or a transport reaches them.
struct SafetyChecks {
  bool dedup = true;        ///< a message that comes again is dropped
  bool gap = true;          ///< a message that does not follow the one before ends the link
  bool incarnation = true;  ///< what is for or from a dead incarnation is refused
  bool credit = true;       ///< no more is sent than the receiver's window allows
  bool ack = true;          ///< arrivals are confirmed, and what is confirmed is let go
  bool deadline = true;     ///< a request without an answer fails at its deadline
  bool checksum = true;     ///< what was damaged on the way is not read, and is sent again
};

}  // namespace troupe::runtime
