"""What deployment does to a model, by the tools that people deploy with: nobody means to remove a mark."""
