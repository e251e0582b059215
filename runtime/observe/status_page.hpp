#pragma once

#include "runtime/observe/flight_recorder.hpp"
#include "runtime/observe/snapshot.hpp"
#include "runtime/result.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::runtime {

/// A Snapshot in a small memory-mapped file (DIRECTORY/NAME.INCARNATION.status, a slash in the name written as an
/// underscore), so that anybody on the host can read it while the actor is stuck, stopped or dead. Behind it lie the
/// entries of the actor's FlightRecorder.
///
/// Thread-safety: publish() from the cell's owner thread; reading from any process at any time (numbered slots).
/// Ownership:     the writer owns the mapping; the file stays for readers after the actor's death.
/// Errors:        open() says why the file cannot be made; reading skips pages that are not whole.
/// Restart:       each incarnation has a page of its own.
///
/// SP-1  A reader sees a snapshot that was published whole, or none.
/// SP-2  The page of a process killed at any instant stays readable: the snapshot published last, or the one before.
/// SP-3  A page that takes the place of another of the same name leaves those who look at the old one, or make
///       another at the same time, undisturbed.
class StatusPage final {
public:
  /// Makes the page of that incarnation in `directory`, which is there; takes the place of an older file of that name.
  [[nodiscard]] static Result<std::unique_ptr<StatusPage>> open(const std::filesystem::path& directory,
                                                                const ActorId& actor);
  /// The file stays.
  ~StatusPage();
  StatusPage(const StatusPage&) = delete;
  StatusPage& operator=(const StatusPage&) = delete;

  /// Writes it into the slot that no reader is sent to; texts are cut to the room they have.
  void publish(const Snapshot& snapshot);
  /// For the actor's FlightRecorder.
  [[nodiscard]] std::span<FlightEntry> flight();

private:
  explicit StatusPage(void* mapping);
  void* mapping_;  // constant after construction
};

/// All pages of a folder, newest incarnation of each actor last.
[[nodiscard]] std::vector<Snapshot> read_status_pages(const std::filesystem::path& directory);
/// The page of one incarnation; nothing when it has none there.
[[nodiscard]] std::optional<Snapshot> read_status_page(const std::filesystem::path& directory, const ActorId& actor);
/// The last messages of that incarnation, oldest first; none when it has no page there.
[[nodiscard]] std::vector<FlightRecord> read_flight(const std::filesystem::path& directory, const ActorId& actor);

}  // namespace troupe::runtime
