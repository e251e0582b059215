#include "runtime/transport/zmq_doorkeeper.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/temporary_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace troupe::runtime {

namespace {

/// The pair of ZeroMQ's own manual: the words of the fuzzer's dictionary name it.
const LinkKey kDoorKey{"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"};

/// A doorkeeper, and a socket to ask it as libzmq does; made once, since that takes longer than to ask.
class Door {
public:
  Door() : keeper_(context_, kDoorKey), asker_(context_, zmq::socket_type::dealer) {
    asker_.set(zmq::sockopt::linger, 0);
    asker_.connect("inproc://zeromq.zap.01");
    keeper_.add_watched(watched_);
  }

  /// The parts of one question; the number of answers, and the last of them.
  std::size_t ask(const std::vector<std::string>& parts, std::vector<Frame>& answer) {
    std::vector<Frame> frames(1);  // what a REQ socket puts before the question
    for (const std::string& part : parts) frames.emplace_back(part.data(), part.size());
    if (!send_frames(asker_, frames)) throw FuzzFinding("nobody is at the door");
    for (Attention* const each : watched_) each->note_signal();
    keeper_.answer();
    std::size_t answers = 0;
    for (std::vector<Frame> next; receive_frames(asker_, next) == Received::message; ++answers) {
      answer = std::move(next);
    }
    return answers;
  }

  const test::TemporaryFolder folder;

private:
  zmq::context_t context_{0};  // no threads: nothing leaves the process
  Doorkeeper keeper_;
  zmq::socket_t asker_;
  std::vector<Attention*> watched_;
};

std::string raw_public_key() {
  std::array<std::uint8_t, 32> raw{};
  zmq_z85_decode(raw.data(), kDoorKey.public_key.c_str());
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

/// A question as the bytes say: parts as they come, or the right ones with some of them changed.
std::vector<std::string> next_question(FuzzBytes& bytes) {
  std::vector<std::string> parts;
  const unsigned kind = bytes.byte();
  if (kind % 2U == 0) {
    for (unsigned count = 1 + bytes.byte() % 9U; count > 0; --count) parts.push_back(text_of(bytes.take(bytes.byte())));
    return parts;
  }
  parts = {"1.0", "1", "troupe", "127.0.0.1", "", "CURVE", raw_public_key()};
  if (kind % 4U == 1) parts.at(bytes.byte() % parts.size()) = text_of(bytes.take(bytes.byte()));
  return parts;
}

/// Whatever is asked there is one answer, to that question, and only who has the key comes in.
void knock(Door& door, FuzzBytes& bytes) {
  for (int questions = 0; !bytes.is_empty() && questions < 8; ++questions) {
    const std::vector<std::string> parts = next_question(bytes);
    std::vector<Frame> answer;
    if (door.ask(parts, answer) != 1 || answer.size() != 7) throw FuzzFinding("DK-1: not one answer");
    if (answer[2].to_string() != (parts.size() > 1 ? parts[1] : ""))
      throw FuzzFinding("an answer to nobody's question");
    const bool is_ours = parts.size() == 7 && parts[5] == "CURVE" && parts[6] == raw_public_key();
    if (answer[3].to_string() != (is_ours ? "200" : "400")) throw FuzzFinding("DK-1: the wrong one came in");
  }
}

/// What is read as a key is a pair, and is written and read as the same.
void read_key_file(Door& door, FuzzBytes& bytes) {
  const std::filesystem::path path = door.folder.path() / "key";
  const std::span<const std::byte> text = bytes.rest();
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool is_written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  if (!is_written) throw FuzzFinding("no disk for the key");
  const Result<LinkKey> key = read_link_key(path);
  if (!key) {
    if (key.failure().text.empty()) throw FuzzFinding("a refusal without a reason");
    return;
  }
  const std::filesystem::path again = door.folder.path() / "again";
  const Result<Done> wrote = write_link_key(again, *key);
  const Result<LinkKey> same = read_link_key(again);
  std::filesystem::remove(again);
  if (!wrote || !same || !(*same == *key)) throw FuzzFinding("KY-1: a key that changes when it is written");
}

}  // namespace

/// Who asks to come in, and the file that says who may.
std::size_t fuzz_door(FuzzBytes& bytes) {
  static Door door;
  if (bytes.byte() % 2U == 0) {
    knock(door, bytes);
  } else {
    read_key_file(door, bytes);
  }
  return 0;
}

}  // namespace troupe::runtime
