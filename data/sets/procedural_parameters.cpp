// Which motions the built-in set contains: the choices of each action, drawing among them, naming and mirroring them.
#include <algorithm>
#include <sstream>

#include "data/sets/procedural_motion.h"
#include "tensor/error.h"

namespace kg {
namespace {

// All allowed values of every field; each is drawn uniformly and independently.
struct Choices {
  std::vector<Side> sides{Side::none};
  std::vector<Direction> directions{Direction::none};
  std::vector<Speed> speeds{Speed::slow, Speed::normal, Speed::fast};
  std::vector<Height> heights{Height::none};
  std::vector<int> repetitions{0};
  std::vector<double> degrees{0};
};

Choices choices(Action action) {
  const std::vector<Side> either{Side::left, Side::right};
  const std::vector<Speed> normal{Speed::normal};
  Choices c;
  switch (action) {
    case Action::walk:
      c.directions = {Direction::forward, Direction::backward};
      break;
    case Action::run:
    case Action::crawl:
      c.directions = {Direction::forward};
      break;
    case Action::jump:
      c.directions = {Direction::in_place, Direction::forward};
      c.speeds = normal;
      c.repetitions = {1, 2, 3};
      break;
    case Action::hop:
      c.sides = either;
      c.speeds = normal;
      c.repetitions = {2, 3, 4};
      break;
    case Action::turn:
      c.sides = either;
      c.degrees = {90, 180, 360};
      break;
    case Action::circle:
      c.directions = {Direction::clockwise, Direction::counterclockwise};
      break;
    case Action::sidestep:
      c.directions = {Direction::left, Direction::right};
      break;
    case Action::wave:
      c.sides = either;
      break;
    case Action::raise_arm:
      c.sides = {Side::left, Side::right, Side::both};
      c.heights = {Height::shoulder, Height::overhead};
      break;
    case Action::punch:
    case Action::kick:
      c.sides = either;
      c.repetitions = {1, 2, 3};
      break;
    case Action::squat:
      c.repetitions = {1, 2, 3};
      break;
    case Action::bow:
      c.repetitions = {1, 2};
      break;
    case Action::jumping_jack:
      c.speeds = normal;
      c.repetitions = {2, 3, 4};
      break;
    case Action::sit:
    case Action::stand_up:
      break;
  }
  return c;
}

template <class T>
T draw(const std::vector<T>& values, Dice& dice) {
  return values[dice.below(int(values.size()))];
}
template <class T>
bool contains(const std::vector<T>& values, T value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

constexpr std::string_view kActionNames[kActions] = {
    "walk",  "run",  "jump",  "hop", "turn",     "circle", "sidestep", "wave",        "raise_arm",
    "punch", "kick", "squat", "sit", "stand_up", "bow",    "crawl",    "jumping_jack"};
constexpr std::string_view kSideNames[] = {"none", "left", "right", "both"};
constexpr std::string_view kDirectionNames[] = {"none", "in_place", "forward",   "backward",
                                                "left", "right",    "clockwise", "counterclockwise"};
constexpr std::string_view kSpeedNames[] = {"slow", "normal", "fast"};
constexpr std::string_view kHeightNames[] = {"none", "shoulder", "overhead"};

}  // namespace

MotionParameters roll_parameters(Dice& dice) {
  MotionParameters p;
  p.action = Action(dice.below(kActions));
  const Choices c = choices(p.action);
  p.side = draw(c.sides, dice);
  p.direction = draw(c.directions, dice);
  p.speed = draw(c.speeds, dice);
  p.height = draw(c.heights, dice);
  p.repetitions = draw(c.repetitions, dice);
  p.degrees = draw(c.degrees, dice);
  return p;
}

std::vector<MotionParameters> all_parameters() {
  std::vector<MotionParameters> all;
  for (int a = 0; a < kActions; ++a) {
    const Choices c = choices(Action(a));
    for (const Side side : c.sides)
      for (const Direction direction : c.directions)
        for (const Speed speed : c.speeds)
          for (const Height height : c.heights)
            for (const int repetitions : c.repetitions)
              for (const double degrees : c.degrees)
                all.push_back({Action(a), side, direction, speed, height, repetitions, degrees});
  }
  return all;
}

bool valid(const MotionParameters& p) {
  if (int(p.action) < 0 || int(p.action) >= kActions) return false;
  const Choices c = choices(p.action);
  return contains(c.sides, p.side) && contains(c.directions, p.direction) && contains(c.speeds, p.speed) &&
         contains(c.heights, p.height) && contains(c.repetitions, p.repetitions) && contains(c.degrees, p.degrees);
}

std::string_view action_name(Action action) {
  CHECK(int(action) >= 0 && int(action) < kActions, "[procedural] no such action: ", int(action));
  return kActionNames[int(action)];
}

std::string describe(const MotionParameters& p) {
  std::ostringstream text;
  if (int(p.action) < 0 || int(p.action) >= kActions) return "action " + std::to_string(int(p.action));
  text << action_name(p.action);
  if (p.side != Side::none) text << " side=" << kSideNames[int(p.side)];
  if (p.direction != Direction::none) text << " direction=" << kDirectionNames[int(p.direction)];
  if (p.height != Height::none) text << " height=" << kHeightNames[int(p.height)];
  if (p.repetitions != 0) text << " count=" << p.repetitions;
  if (p.degrees != 0) text << " degrees=" << p.degrees;
  if (p.speed != Speed::normal) text << " speed=" << kSpeedNames[int(p.speed)];
  return text.str();
}

MotionParameters mirror_parameters(const MotionParameters& p) {
  MotionParameters m = p;
  if (p.side == Side::left || p.side == Side::right) m.side = p.side == Side::left ? Side::right : Side::left;
  switch (p.direction) {
    case Direction::left:
      m.direction = Direction::right;
      break;
    case Direction::right:
      m.direction = Direction::left;
      break;
    case Direction::clockwise:
      m.direction = Direction::counterclockwise;
      break;
    case Direction::counterclockwise:
      m.direction = Direction::clockwise;
      break;
    default:
      break;
  }
  return m;
}

}  // namespace kg
