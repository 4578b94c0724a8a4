//! Wrong use, case by case.
