// A data set under a retriever as a database: features of all motions and captions.
#pragma once

#include "models/retrieval/database.h"
#include "models/retrieval/retriever.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

struct BuildOptions {
  std::string split = "train";
  std::string prefix = {};               // in front of the clips' names, which may be in the database already
  MotionTokenizer* tokenizer = nullptr;  // for clips of a token at least; null: there are no tokens
};

// A checksum of all that decides a clip's tokens: weights, configuration, statistics.
std::string tokenizer_identity(const MotionTokenizer& tokenizer);

// Every clip of the split, and every sub-clip, as a clip of its own: motions that the retriever can read whole, or of
// any length where it crops. An Error (input) for a set on another skeleton, and for one of which nothing can be used.
Database database_of(const Retriever& model, const std::filesystem::path& data, const BuildOptions& options = {});

// The frames (T, D) of a clip, as the data set has them now; an Error (input) where they are not there any more.
Tensor read_frames(const Database& database, int64_t clip);

}  // namespace kg
