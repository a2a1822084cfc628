// Diagrams: ticks by hand, marks where the values say, and bad input.
#include "data/export/plot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/error_of.h"

namespace kg {
namespace {

void expect_ticks(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12 * std::abs(want[i]));
}

TEST(Ticks, AreRoundNumbersWithinTheRange) {
  expect_ticks(linear_ticks(0, 1, 5), {0, .2, .4, .6, .8, 1});
  expect_ticks(linear_ticks(-.03, .07, 5), {-.02, 0, .02, .04, .06});
  expect_ticks(linear_ticks(96, 1250, 4), {500, 1000});
  expect_ticks(linear_ticks(3, 27, 5), {5, 10, 15, 20, 25});
}

TEST(Ticks, LogarithmicOnesArePowersOfTen) {
  expect_ticks(log_ticks(.5, 2000, 6), {1, 10, 100, 1000});
  expect_ticks(log_ticks(.8, 60, 6), {1, 2, 5, 10, 20, 50});
  expect_ticks(log_ticks(1e-9, 1e9, 4), {1e-5, 1, 1e5});
  expect_ticks(log_ticks(10, 30, 4), {10, 15, 20, 25, 30});  // less than a decade: linear
}

// The pixels of a series' colour.
std::vector<Point> pixels_of(const Image& image, unsigned color) {
  std::vector<Point> found;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      if (image.color(x, y) == rgb(color)) found.push_back({x + .5, y + .5});
  return found;
}
constexpr unsigned kFirst = 0x2364c4, kSecond = 0xd9603b;

Point centre(const std::vector<Point>& points) {
  Point sum;
  for (const Point& p : points) sum.x += p.x / double(points.size()), sum.y += p.y / double(points.size());
  return sum;
}

// Three points of equal distance in x and y: the middle one stands between the others, on either scale.
TEST(Plot, PointsStandWhereTheirValuesSay) {
  for (const bool log : {false, true}) {
    const auto at = [&](double x, double y) {
      Plot plot{.title = "t", .x_label = "x", .y_label = "y"};
      plot.series = {{"", {1, 100}, {1, 100}, Mark::points}, {"", {x}, {y}, Mark::points}};
      plot.log_x = plot.log_y = log;
      return centre(pixels_of(draw_plot(plot), kSecond));
    };
    const Point low = at(1, 1), high = at(100, 100), middle = log ? at(10, 10) : at(50.5, 50.5);
    EXPECT_LT(low.x + 300, high.x);
    EXPECT_GT(low.y, high.y + 200);
    EXPECT_NEAR(middle.x, (low.x + high.x) / 2, .8);
    EXPECT_NEAR(middle.y, (low.y + high.y) / 2, .8);
  }
}

TEST(Plot, AHoleBreaksTheLine) {
  const auto drawn = [](double middle) {
    Plot plot{.title = ""};
    plot.series = {{"", {0, 1, 2, 3, 4}, {1, 1, middle, 1, 1}, Mark::line}, {"", {0}, {0}, Mark::points}};
    return pixels_of(draw_plot(plot), kFirst).size();
  };
  EXPECT_NEAR(double(drawn(NAN)) / double(drawn(1)), .5, .03);
}

// A curve of very many points keeps its extremes.
TEST(Plot, DenseCurvesKeepTheirPeaks) {
  Plot plot{.title = ""};
  Series noise{"", {}, {}, Mark::line};
  for (int i = 0; i < 100000; ++i) noise.x.push_back(i), noise.y.push_back(i == 54321 ? 10 : i % 7 == 0 ? -1 : 0);
  plot.series = {noise};
  double top = 1e9, bottom = 0;
  for (const Point& p : pixels_of(draw_plot(plot), kFirst)) top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  EXPECT_GT(bottom - top, 250);
}

TEST(Plot, OneValueAndOnePointAreEnough) {
  Plot plot{.title = "constant"};
  plot.series = {{"zero", {5}, {0}, Mark::points}};
  EXPECT_GT(pixels_of(draw_plot(plot), kFirst).size(), 20u);
  plot.log_x = true;
  EXPECT_GT(pixels_of(draw_plot(plot), kFirst).size(), 20u);
}

TEST(Plot, RefusesWhatItCannotShow) {
  Plot plot{.title = "loss"};
  const auto message = [&] { return error_of(ErrorCode::runtime, [&] { draw_plot(plot); }); };
  EXPECT_NE(message().find("'loss' has no point"), std::string::npos);
  plot.series = {{"a", {1, NAN}, {NAN, 1}}};
  EXPECT_NE(message().find("no point"), std::string::npos);
  plot.series = {{"a", {1, 2}, {1}}};
  EXPECT_NE(message().find("2 x and 1 y"), std::string::npos);
  plot.series = {{"a", {1, 2}, {1, 0}}};
  plot.log_y = true;
  EXPECT_NE(message().find("logarithmic"), std::string::npos);
  plot.log_y = false;
  plot.width = 100;
  EXPECT_NE(message().find("no room"), std::string::npos);
}

}  // namespace
}  // namespace kg
