import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

model = LogisticRegression(max_iter=2000)
model.fit(X_train, y_train)

print("Accuracy:", model.score(X_test, y_test))
joblib.dump(model, "model.joblib")
