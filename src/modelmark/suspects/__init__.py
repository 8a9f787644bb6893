"""Who is read or asked: files of weights and what stands behind them."""
