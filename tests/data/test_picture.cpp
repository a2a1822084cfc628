// Pictures: GIF and PNG read back by small decoders of the test's own, camera and limbs against plain geometry.
#include "data/export/picture.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <numbers>
#include <random>

#include "data/export/font.h"
#include "data/export/gif.h"
#include "data/export/png.h"
#include "data/formats/file.h"
#include "tensor/error.h"
#include "tests/data/motions.h"

namespace kg {
namespace {

namespace fs = std::filesystem;
using test::walk;

int byte_at(const std::string& s, std::size_t i) { return static_cast<unsigned char>(s.at(i)); }
int u16_at(const std::string& s, std::size_t i) { return byte_at(s, i) | byte_at(s, i + 1) << 8; }

struct DecodedGif {
  std::vector<Image> frames;
  std::vector<int> delays;     // 1/100 s
  std::vector<int> rectangle;  // pixels of each frame's rectangle
  int loops = -1;
};

std::vector<int> decode_lzw(const std::string& data, int bits) {
  std::vector<std::vector<int>> table;
  std::vector<int> out, before;
  const int clear = 1 << bits, end = clear + 1;
  const auto reset = [&] {
    table.clear();
    for (int i = 0; i < clear + 2; ++i) table.push_back({i});
    before.clear();
  };
  reset();
  int width = bits + 1;
  for (std::size_t at = 0;;) {
    int code = 0;
    for (int i = 0; i < width; ++i, ++at) code |= (byte_at(data, at / 8) >> (at % 8) & 1) << i;
    if (code == end) {
      EXPECT_EQ((at + 7) / 8, data.size()) << "bytes behind the end";
      return out;
    }
    if (code == clear) {
      reset();
      width = bits + 1;
      continue;
    }
    std::vector<int> run;
    if (code < static_cast<int>(table.size())) {
      run = table[static_cast<std::size_t>(code)];
    } else {
      EXPECT_EQ(code, static_cast<int>(table.size()));
      run = before;
      run.push_back(before.at(0));
    }
    if (!before.empty() && table.size() < 4096) {
      before.push_back(run[0]);
      table.push_back(before);
      if (static_cast<int>(table.size()) == 1 << width && width < 12) ++width;
    }
    out.insert(out.end(), run.begin(), run.end());
    before = run;
  }
}

DecodedGif decode_gif(const std::string& s) {
  DecodedGif gif;
  EXPECT_EQ(s.substr(0, 6), "GIF89a");
  Image canvas(u16_at(s, 6), u16_at(s, 8), {});
  const std::string table = s.substr(13, 768);
  std::size_t at = 13 + 768;
  int delay = 0, transparent = -1;
  const auto blocks = [&] {
    std::string data;
    for (int n = byte_at(s, at++); n != 0; n = byte_at(s, at++))
      data += s.substr(at, static_cast<std::size_t>(n)), at += static_cast<std::size_t>(n);
    return data;
  };
  while (byte_at(s, at) != 0x3b) {
    const int kind = byte_at(s, at++);
    if (kind == 0x21) {
      const int label = byte_at(s, at++);
      const std::string data = blocks();
      if (label == 0xf9) {
        delay = u16_at(data, 1);
        transparent = byte_at(data, 0) & 1 ? byte_at(data, 3) : -1;
      } else if (label == 0xff) {
        EXPECT_EQ(data.substr(0, 11), "NETSCAPE2.0");
        gif.loops = u16_at(data, 12);
      }
      continue;
    }
    EXPECT_EQ(kind, 0x2c);
    const int x0 = u16_at(s, at), y0 = u16_at(s, at + 2), width = u16_at(s, at + 4), height = u16_at(s, at + 6);
    at += 9;
    const int bits = byte_at(s, at++);
    const std::vector<int> indices = decode_lzw(blocks(), bits);
    EXPECT_EQ(indices.size(), static_cast<std::size_t>(width) * height);
    for (int i = 0; i < width * height; ++i) {
      const int index = indices[static_cast<std::size_t>(i)];
      if (index == transparent) continue;
      for (int c = 0; c < 3; ++c)
        canvas.at(x0 + i % width, y0 + i / width)[c] =
            static_cast<std::uint8_t>(byte_at(table, static_cast<std::size_t>(3 * index + c)));
    }
    gif.frames.push_back(canvas);
    gif.delays.push_back(delay);
    gif.rectangle.push_back(width * height);
  }
  EXPECT_EQ(at + 1, s.size());
  return gif;
}

TEST(Gif, FewColoursComeBackExactly) {
  // Noise of 200 colours fills the code table several times; the last frame repeats the one before.
  std::mt19937 random(7);
  std::vector<Image> frames(4, Image(97, 61, {}));
  for (std::size_t f = 0; f < 3; ++f)
    for (std::size_t i = 0; i < frames[f].pixels.size(); i += 3) {
      const unsigned color = random() % 200;
      frames[f].pixels[i] = static_cast<std::uint8_t>(color % 10 * 25);
      frames[f].pixels[i + 1] = static_cast<std::uint8_t>(color / 10 * 12);
      frames[f].pixels[i + 2] = static_cast<std::uint8_t>(color);
    }
  frames[3] = frames[2];
  const DecodedGif gif = decode_gif(encode_gif(4, .05, [&](int i) { return frames[static_cast<std::size_t>(i)]; }));
  ASSERT_EQ(gif.frames.size(), 4u);
  EXPECT_EQ(gif.loops, 0);
  for (std::size_t f = 0; f < 4; ++f) {
    EXPECT_EQ(gif.frames[f].pixels, frames[f].pixels) << "frame " << f;
    EXPECT_EQ(gif.delays[f], 5);
  }
  EXPECT_EQ(gif.rectangle[3], 1);
}

TEST(Gif, OnlyTheChangeIsStored) {
  const auto draw = [](int i) {
    Image image(100, 80, rgb(0xf0f0f0));
    fill_rectangle(image, 10 + 5 * i, 20, 20 + 5 * i, 30, rgb(0xcc2200));
    return image;
  };
  const DecodedGif gif = decode_gif(encode_gif(3, 1. / 30, draw));
  for (int f = 0; f < 3; ++f) EXPECT_EQ(gif.frames[static_cast<std::size_t>(f)].pixels, draw(f).pixels);
  EXPECT_EQ(gif.rectangle, (std::vector<int>{8000, 150, 150}));
  EXPECT_EQ(gif.delays, (std::vector<int>{3, 4, 3}));  // 3.33, 6.67, 10 hundredths
}

TEST(Gif, ManyColoursComeBackNearly) {
  Image image(256, 64, {});
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 256; ++x) {
      image.at(x, y)[0] = static_cast<std::uint8_t>(x);
      image.at(x, y)[1] = static_cast<std::uint8_t>(255 - x);
      image.at(x, y)[2] = static_cast<std::uint8_t>(y * 2);
    }
  const DecodedGif gif = decode_gif(encode_gif(1, .1, [&](int) { return image; }));
  double squares = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const double error = gif.frames[0].pixels[i] - image.pixels[i];
    squares += error * error;
  }
  EXPECT_LT(std::sqrt(squares / static_cast<double>(image.pixels.size())), 8);
}

TEST(Gif, RefusesBadFrames) {
  EXPECT_THROW(encode_gif(0, .05, [](int) { return Image(2, 2, {}); }), Error);
  EXPECT_THROW(encode_gif(2, .05, [](int i) { return Image(2 + i, 2, {}); }), Error);
}

TEST(Png, ComesBackExactly) {
  Image image(37, 11, {});
  std::mt19937 random(3);
  for (std::uint8_t& byte : image.pixels) byte = static_cast<std::uint8_t>(random());
  const std::string s = encode_png(image);
  ASSERT_EQ(s.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(s.substr(12, 4), "IHDR");
  EXPECT_EQ(byte_at(s, 19), 37);
  EXPECT_EQ(byte_at(s, 23), 11);
  EXPECT_EQ(s.substr(37, 4), "IDAT");
  const auto size = static_cast<uLong>(byte_at(s, 34) << 16 | byte_at(s, 35) << 8 | byte_at(s, 36));
  std::vector<unsigned char> rows(11 * (1 + 37 * 3));
  uLongf got = rows.size();
  ASSERT_EQ(uncompress(rows.data(), &got, reinterpret_cast<const Bytef*>(s.data()) + 41, size), Z_OK);
  ASSERT_EQ(got, rows.size());
  const int stride = 37 * 3;
  std::vector<int> back(static_cast<std::size_t>(11 * stride));
  for (int y = 0; y < 11; ++y)
    for (int x = 0; x < stride; ++x) {
      const int filter = rows[static_cast<std::size_t>(y * (stride + 1))];
      const auto value = [&](int px, int py) {
        return px < 0 || py < 0 ? 0 : back[static_cast<std::size_t>(py * stride + px)];
      };
      const int a = value(x - 3, y), b = value(x, y - 1), c = value(x - 3, y - 1), p = a + b - c;
      const int paeth = std::abs(p - a) <= std::abs(p - b) && std::abs(p - a) <= std::abs(p - c) ? a
                        : std::abs(p - b) <= std::abs(p - c)                                     ? b
                                                                                                 : c;
      const int predicted[5] = {0, a, b, (a + b) / 2, paeth};
      back[static_cast<std::size_t>(y * stride + x)] =
          (rows[static_cast<std::size_t>(y * (stride + 1) + 1 + x)] + predicted[filter]) & 255;
      ASSERT_EQ(value(x, y), image.pixels[static_cast<std::size_t>(y * stride + x)]);
    }
}

TEST(Drawing, StrokesCoverTheirArea) {
  Image image(100, 100, {0, 0, 0});
  const Polyline disc{{50, 50}};
  stroke(image, std::span(&disc, 1), 60, {1, 1, 1});
  double area = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) area += image.pixels[i] / 255.;
  EXPECT_NEAR(area, std::numbers::pi * 900, 6);
  const Polyline outside{{-500, -500}, {-400, 900}};
  stroke(image, std::span(&outside, 1), 5, {1, 1, 1});  // clipped, not out of bounds
}

TEST(Drawing, TextFitsWhereItIsPut) {
  const std::string text = "jQuickly, 42 (\xc3\xa9)!";
  Image image(400, 60, {0, 0, 0});
  draw_text(image, 20, 40, text, 24, {1, 1, 1});
  int left = 400, right = 0;
  for (int x = 0; x < 400; ++x)
    for (int y = 0; y < 60; ++y)
      if (image.at(x, y)[0] > 127) left = std::min(left, x), right = std::max(right, x);
  EXPECT_NEAR(left, 20, 3);
  EXPECT_NEAR(right, 20 + text_width(text, 24), 3);

  const std::vector<std::string> lines = wrap_text("one two three four five six seven", 20, 150, 3);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "one two three");
  EXPECT_EQ(lines[2].substr(lines[2].size() - 5), "seven");
  for (const std::string& line : wrap_text("one two three four " + std::string(90, 'w'), 20, 150, 2))
    EXPECT_LE(text_width(line, 20), 150) << line;
  EXPECT_TRUE(wrap_text("  \n ", 20, 150, 2).empty());
}

TEST(Drawing, TheCameraTouchesTheMotion) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(-3, 3);
  std::vector<Vec3> points(40);
  for (Vec3& p : points) p = {uniform(random), uniform(random), uniform(random)};
  for (const double azimuth : {0., 1., 4.}) {
    const Camera camera = fit_camera(points, {azimuth, .3, .6}, 10, 20, 310, 420);
    double x0 = 1e9, y0 = 1e9, x1 = -1e9, y1 = -1e9;
    for (const Vec3& p : points) {
      EXPECT_GT(camera.depth(p), 0);
      const Point at = camera.project(p);
      x0 = std::min(x0, at.x), x1 = std::max(x1, at.x), y0 = std::min(y0, at.y), y1 = std::max(y1, at.y);
    }
    EXPECT_GE(x0, 10 - 1e-6);
    EXPECT_LE(x1, 310 + 1e-6);
    EXPECT_GE(y0, 20 - 1e-6);
    EXPECT_LE(y1, 420 + 1e-6);
    EXPECT_TRUE((x0 < 10 + 1e-6 && x1 > 310 - 1e-6) || (y0 < 20 + 1e-6 && y1 > 420 - 1e-6));
  }
}

TEST(Drawing, LimbsHaveTheirOutline) {
  // All points in one place: what is seen is the largest ball. The camera is so far away that perspective is none.
  const Body body = body_of(humanml3d(), {});
  DrawnPose pose(kJoints + 5);
  Camera camera{{0, 0, 1000}, {1, 0, 0}, {0, 1, 0}, {0, 0, -1}, 1000 * 200., {100, 60}};
  Image image(200, 120, {0, 0, 0});
  SceneStyle style;
  style.samples = 4;
  const Figure figure{body, pose, 1};  // fully washed out: a white silhouette
  style.background = {1, 1, 1};
  draw_figures(image, camera, std::span(&figure, 1), style);
  double area = 0, widest = 0;
  for (const Limb& limb : body.limbs) widest = std::max({widest, limb.radius_a, limb.radius_b});
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) area += image.pixels[i] / 255.;
  EXPECT_NEAR(area, std::numbers::pi * widest * widest * 200 * 200, .005 * area);

  // One end moved away: the tapered hull reaches exactly to the end's radius and no further.
  pose[kJoints] = {.3, 0, 0};  // the left hand
  const Figure reaching{body, pose, 1};
  Image longer(200, 120, {0, 0, 0});
  draw_figures(longer, camera, std::span(&reaching, 1), style);
  double row = 0;
  for (int x = 100; x < 200; ++x) row += longer.at(x, 60)[0] / 255.;
  EXPECT_NEAR(row, (.3 + .036) * 200, .6);
  double column = 0;  // the cone between radius .034 at 0 and .036 at .3: half-way .035
  for (int y = 0; y < 120; ++y) column += longer.at(130, y)[0] / 255.;
  EXPECT_NEAR(column, 2 * .035 * 200, .6);
}

TEST(MotionPictures, GifHasEveryFrameAndMoves) {
  const DecodedGif gif = decode_gif(encode_motion_gif(walk(7), 20, "a person walks", {160, 160, 25}));
  ASSERT_EQ(gif.frames.size(), 7u);
  EXPECT_EQ(gif.delays, std::vector<int>(7, 5));
  for (std::size_t f = 1; f < 7; ++f) EXPECT_NE(gif.frames[f].pixels, gif.frames[f - 1].pixels);
  // 120 frames a second are thinned to 24, and the motion lasts as long.
  const DecodedGif fast = decode_gif(encode_motion_gif(walk(20), 120, "", {160, 160, 25}));
  ASSERT_EQ(fast.frames.size(), 4u);
  int total = 0;
  for (const int delay : fast.delays) total += delay;
  EXPECT_NEAR(total, 20 * 100 / 120., 1);
}

TEST(MotionPictures, FilmStripShowsBothSides) {
  const Image image = draw_film_strip(walk(30), 20, "a person walks", {});
  EXPECT_EQ(image.width, 8 * 170);
  int blue = 0, orange = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    blue += image.pixels[i + 2] > image.pixels[i] + 60;
    orange += image.pixels[i] > image.pixels[i + 2] + 60;
  }
  EXPECT_GT(blue, 5000);
  EXPECT_GT(orange, 5000);
  EXPECT_EQ(draw_film_strip(walk(1), 20, "", {}).width, 3 * 170);
}

TEST(MotionPictures, AnySkeletonIsDrawnInMetres) {
  const auto sides = [](const Image& image) {
    std::array<int, 2> pixels{};
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
      pixels[0] += image.pixels[i + 2] > image.pixels[i] + 60;
      pixels[1] += image.pixels[i] > image.pixels[i + 2] + 60;
    }
    return pixels;
  };
  for (const Skeleton& skeleton : {kit_ml(), test::bird()}) {
    const Joints joints = test::wild_motion(20, 2, skeleton);
    const Image image = draw_film_strip(joints, skeleton.fps, "", {}, skeleton);
    for (const int pixels : sides(image)) EXPECT_GT(pixels, 1000) << skeleton.name;
    // The same motion in half units is the same picture.
    Skeleton halves = skeleton;
    halves.metres_per_unit /= 2;
    Joints twice = joints;
    for (Pose& pose : twice)
      for (Vec3& p : pose) p = p * 2;
    EXPECT_EQ(draw_film_strip(twice, skeleton.fps, "", {}, halves).pixels, image.pixels) << skeleton.name;
    EXPECT_EQ(decode_gif(encode_motion_gif(joints, 20, "", {120, 120, 25}, skeleton)).frames.size(), 20u);
    EXPECT_THROW(draw_film_strip(joints, 20, ""), Error);  // not HumanML3D's joints
  }
}

TEST(MotionPictures, FilmStripMapsThePathOfThoseWhoTravel) {
  const auto blue_in_corner = [](const Image& image) {
    int blue = 0;
    for (int y = 0; y < 58; ++y)
      for (int x = image.width - 172; x < image.width; ++x) blue += image.at(x, y)[2] > image.at(x, y)[0] + 100;
    return blue;
  };
  Joints in_place = walk(30);
  for (Pose& pose : in_place) {
    const double z = pose[kPelvis].z;
    for (Vec3& p : pose) p.z -= z;
  }
  EXPECT_GT(blue_in_corner(draw_film_strip(walk(30), 20, "", {})), 100);
  EXPECT_EQ(blue_in_corner(draw_film_strip(in_place, 20, "", {})), 0);
}

TEST(MotionPictures, FailuresLeaveNothing) {
  const fs::path folder = fs::temp_directory_path() / ("kg_picture_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  Joints joints = walk(3);
  joints[2][kNeck].y = std::nan("");
  EXPECT_THROW(write_gif(folder / "a.gif", joints, 20, ""), Error);
  EXPECT_THROW(write_film_strip(folder / "a.png", {}, 20, ""), Error);
  EXPECT_THROW(write_film_strip(folder / "no" / "a.png", walk(3), 20, ""), Error);
  EXPECT_TRUE(fs::is_empty(folder));
  write_gif(folder / "a.gif", walk(3), 20, "x", {120, 160, 25});
  EXPECT_EQ(decode_gif(read_file(folder / "a.gif", 1 << 20)).frames.size(), 3u);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace kg
